"""Writes `prompt/PROFILE` for shells' prompts: the end of each profile's session (shared/prompt_file.py).

A file stays as long as its session, also an expired one: the instant in it says that. It is removed when the session is
forgotten or rejected, or the profile is no longer configured. All files are removed when the daemon ends, and written
again by the next one. After a crash they stay: they tell nothing but an instant.

Law: a fault of the disk is logged once, and stops nothing else.
"""

from __future__ import annotations

import asyncio
import os

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from mayfly.daemon.events import Events
from mayfly.daemon.tasks import Tasks
from mayfly.daemon.threads import DaemonThread
from mayfly.shared import prompt_file
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.files import write_whole_file
from mayfly.shared.text import failure_words
from mayfly.shared.trust import check_private


# The first change is written at once. Those that come within this time after it are written together.
TOGETHER_SECONDS = 0.05
DISK_SECONDS = 4
# The daemon's end waits no longer for a disk that does not answer.
END_SECONDS = 0.5


class PromptFiles:
    """Keeps the files as `ends` has them: the end of each profile that has a session."""

    def __init__(self, ends: Callable[[], Mapping[str, datetime]], events: Events, tasks: Tasks) -> None:
        self._ends = ends
        self._events = events
        self._tasks = tasks
        self._thread = DaemonThread()
        self._lock = asyncio.Lock()
        self._is_waiting = False
        self._has_ended = False
        # None: the content of the folder is not known.
        self._written: dict[str, str] | None = None
        self._last_fault = ""

    def write_soon(self) -> None:
        """Write what has changed since the last time."""
        if not (self._is_waiting or self._has_ended) and self._lines() != self._written:
            self._is_waiting = True
            self._tasks.spawn(self._write())

    async def end(self) -> None:
        """Remove all files, and write none any more: the daemon ends."""
        self._has_ended = True
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS), self._lock:
                await self._put({})

    async def _write(self) -> None:
        try:
            await self._lock.acquire()
        finally:
            self._is_waiting = False
        try:
            if not self._has_ended:
                await self._put(self._lines())
                await asyncio.sleep(TOGETHER_SECONDS)
        finally:
            self._lock.release()

    def _lines(self) -> dict[str, str]:
        return {name: prompt_file.line(name, int(end.timestamp())) for name, end in self._ends().items()}

    async def _put(self, lines: dict[str, str]) -> None:
        before, self._written = self._written, None
        try:
            await self._thread.run(partial(_put, lines, before), DISK_SECONDS)
        except ConfigInvalid as reason:
            self._complain(reason.message)
        except OSError as reason:
            # The error of a failed rename has two names. The first is that of a temporary file.
            self._complain(f"{reason.filename2 or prompt_file.folder()}: {failure_words(reason)}")
        else:
            self._written, self._last_fault = lines, ""

    def _complain(self, reason: str) -> None:
        if reason != self._last_fault:
            self._events.warning("prompt.failed", reason=reason)
        self._last_fault = reason


def _put(lines: Mapping[str, str], before: Mapping[str, str] | None) -> None:
    """Write the lines that are new, and remove the files of other profiles; raises OSError or ConfigInvalid."""
    folder = prompt_file.folder()
    if not lines and not os.path.lexists(folder):
        return
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    check_private(folder, 0o700)
    for name in _names(folder) - lines.keys() if before is None else before.keys() - lines.keys():
        (folder / name).unlink(missing_ok=True)
    for name, line in lines.items():
        if before is None or before.get(name) != line:
            write_whole_file(folder / name, line.encode())


def _names(folder: Path) -> set[str]:
    """All but folders, which are not ours."""
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)}
