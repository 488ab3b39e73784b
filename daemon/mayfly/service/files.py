"""The file of a unit: ours, edited by hand, or foreign. Only files that are ours are replaced.

A file of ours ends with a line that names the version and the SHA-256 of everything before that line.
"""

from __future__ import annotations

import hashlib
import re
import sys

from enum import Enum
from pathlib import Path

from mayfly import __version__
from mayfly.shared.files import write_whole_file


_STAMP = re.compile(r"^.*mayfly ([\w.+-]+), sha256 ([0-9a-f]{64}).*\n?", re.MULTILINE)
_COMMENT = re.compile(r"[#;].*|<!--((?!-->).)*-->")


class FileState(Enum):
    """The state of the file at a path, compared to the text that belongs there."""

    ABSENT = "absent"
    CURRENT = "same"
    SAME_SETTINGS = "same, but for the version or comments"
    OUTDATED = "stale"
    EDITED = "edited"
    FOREIGN = "foreign"

    @property
    def is_kept(self) -> bool:
        """True if the file is not ours to replace or remove."""
        return self in {FileState.EDITED, FileState.FOREIGN}


def stamped(text: str, comment: str = "# {}", version: str = __version__) -> str:
    """`text` with the last line that marks a file as ours."""
    mark = f"mayfly {version}, sha256 {_digest(text)}: 'mayfly install' replaces this file unless it has been edited"
    return text + comment.format(mark) + "\n"


def file_state(path: Path, wanted: str = "") -> FileState:
    """The state of the file at `path`, where the text `wanted` belongs."""
    found = _read(path)
    if found is None:
        return FileState.FOREIGN if path.is_symlink() or path.exists() else FileState.ABSENT
    if found == wanted:
        return FileState.CURRENT
    body, stamp = _split(found)
    if stamp is None:
        return FileState.FOREIGN
    if stamp[2] != _digest(body):
        return FileState.EDITED
    same = settings_of(body) == settings_of(_split(wanted)[0])
    return FileState.SAME_SETTINGS if same else FileState.OUTDATED


def body_of(path: Path) -> str:
    """The text of a plain file without our last line; "" if there is no such file."""
    return _split(_read(path) or "")[0]


def settings_of(text: str) -> str:
    """The lines of a unit, a drop-in or a property list that are not comments.

    Units with the same settings need no restart, and so cost no session.
    """
    lines = (line.strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not _COMMENT.fullmatch(line))


def version_of(path: Path) -> str | None:
    """The version that wrote the file; None if the file is absent or not ours."""
    found = _read(path)
    stamp = _split(found)[1] if found is not None else None
    return stamp[1] if stamp else None


def write(path: Path, text: str) -> None:
    """Write the whole file or nothing, readable by its owner alone; makes the folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Paths in the text were decoded by the same encoding.
    write_whole_file(path, text.encode(sys.getfilesystemencoding()))


def _read(path: Path) -> str | None:
    """The text of a plain file; None for anything else. A link, as of a masked unit, was somebody's decision."""
    try:
        return path.read_text() if path.is_file() and not path.is_symlink() else None
    except (OSError, UnicodeDecodeError):
        return None


def _split(text: str) -> tuple[str, re.Match[str] | None]:
    """The text without our last line, and that line. A line added below it counts as an edit like any other."""
    stamp = next(reversed(list(_STAMP.finditer(text))), None)
    return (text[: stamp.start()] + text[stamp.end() :].strip("\n"), stamp) if stamp else (text, None)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
