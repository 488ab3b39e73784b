"""What stands where a unit is to be written: ours, edited by hand, or somebody else's. Only what is ours is replaced.

Ours ends with a line that names the version and the SHA-256 of all that stands before it.
"""

from __future__ import annotations

import hashlib
import os
import re

from enum import Enum
from pathlib import Path

from mayfly import __version__


_STAMP = re.compile(r"^.*mayfly ([\w.+-]+), sha256 ([0-9a-f]{64}).*\n?", re.MULTILINE)


class Standing(Enum):
    """What stands at a path, compared to what is to be there."""

    ABSENT = "absent"
    SAME = "same"
    AGED = "same, but for the version"
    STALE = "stale"
    EDITED = "edited"
    FOREIGN = "foreign"

    @property
    def is_kept(self) -> bool:
        """Whether it is not ours to replace or remove."""
        return self in {Standing.EDITED, Standing.FOREIGN}


def stamped(text: str, comment: str = "# {}", version: str = __version__) -> str:
    """`text` with the line that makes it ours."""
    mark = f"mayfly {version}, sha256 {_digest(text)}: 'mayfly install' replaces this file unless it has been edited"
    return text + comment.format(mark) + "\n"


def standing(path: Path, wanted: str = "") -> Standing:
    """What stands at `path`, where `wanted` is to be."""
    found = _read(path)
    if found is None:
        return Standing.FOREIGN if path.is_symlink() or path.exists() else Standing.ABSENT
    if found == wanted:
        return Standing.SAME
    body, stamp = _parted(found)
    if stamp is None:
        return Standing.FOREIGN
    if stamp[2] != _digest(body):
        return Standing.EDITED
    return Standing.AGED if body == _parted(wanted)[0] else Standing.STALE


def body_of(path: Path) -> str:
    """The text of a plain file without the line that makes it ours; "" where there is none."""
    return _parted(_read(path) or "")[0]


def version_of(path: Path) -> str | None:
    """The version that wrote the file; None where it is absent, or not ours."""
    found = _read(path)
    stamp = _parted(found)[1] if found is not None else None
    return stamp[1] if stamp else None


def write(path: Path, text: str) -> None:
    """Whole or not at all, and for nobody else to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.chmod(0o600)
    draft.rename(path)


def _read(path: Path) -> str | None:
    """The text of a plain file; None for anything else. A link, as of a masked unit, is somebody's decision."""
    try:
        return path.read_text() if path.is_file() and not path.is_symlink() else None
    except (OSError, UnicodeDecodeError):
        return None


def _parted(text: str) -> tuple[str, re.Match[str] | None]:
    """All but our line, and our line: the last one of its kind. What was added below it is an edit as any other."""
    stamp = next(reversed(list(_STAMP.finditer(text))), None)
    return (text[: stamp.start()] + text[stamp.end() :].strip("\n"), stamp) if stamp else (text, None)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
