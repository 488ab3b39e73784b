"""The version on disk. After `pip install -U` it differs from the running one until the daemon restarts."""

from __future__ import annotations

import re

from pathlib import Path

import mayfly


class InstalledVersion:
    """Reads the version from the package's file, and only when that file has changed."""

    def __init__(self, path: Path = Path(mayfly.__file__), running: str = mayfly.__version__) -> None:
        self._path = path
        self._running = running
        self._seen: tuple[int, ...] | None = None
        self._on_disk = running

    def other_than_running(self) -> str | None:
        """The version on disk if it differs from the running one; None if it does not, or cannot be read."""
        facts = self._facts()
        if facts and facts != self._seen:
            self._seen = facts
            self._on_disk = self._read() or self._on_disk
        return self._on_disk if self._on_disk != self._running else None

    def _facts(self) -> tuple[int, ...] | None:
        try:
            facts = self._path.stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_size, facts.st_ino

    def _read(self) -> str | None:
        try:
            found = re.search(r'^__version__ = "([^"]+)"$', self._path.read_text(), re.MULTILINE)
        except OSError:
            return None
        return found[1] if found else None
