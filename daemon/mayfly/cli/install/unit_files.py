"""Writes and removes unit files, and says so. A file that is not ours, or that somebody has edited, is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from mayfly.cli import speech
from mayfly.service import files, systemd
from mayfly.service.files import FileState
from mayfly.shared.text import printable


def put(path: Path, text: str) -> bool:
    """Write `text` to `path` ("": remove the file), unless what stands there is not ours. True if something changed.

    A file that differs by the version and comments alone is written, and does not count as changed.
    """
    state, version = files.file_state(path, text), files.version_of(path)
    if state is FileState.SAME_SETTINGS:
        files.write(path, text)
    if state in {FileState.CURRENT, FileState.SAME_SETTINGS} or (state is FileState.ABSENT and not text):
        return False
    if state.is_kept:
        why = "it has been edited by hand" if state is FileState.EDITED else "it is not ours"
        speech.warning(f"{path} is kept as it is: {why}")
        if path.suffix in {".service", ".socket"}:
            speech.hint(f"to change a unit: systemctl --user edit {path.name}")
        speech.hint(f"to have ours: rm {quote(str(path))} && mayfly install")
        return False
    if not text:
        remove(path)
        return True
    files.write(path, text)
    speech.say(f"replaced {path}, of mayfly {version}" if state is FileState.OUTDATED else f"wrote {path}")
    return True


def show(wanted: Mapping[Path, str]) -> None:
    """Print the files that would be written, and whether each exists."""
    for path, text in wanted.items():
        print(f"# {printable(str(path))}: {files.file_state(path, text).value}\n{text}")


def remove(path: Path) -> None:
    """Remove the file at `path`, and the folder of drop-ins if that is empty then. A file that is not ours is kept."""
    if files.file_state(path) is FileState.FOREIGN:
        speech.warning(f"{path} is kept: it is not ours")
        return
    path.unlink(missing_ok=True)
    speech.say(f"removed {path}")
    if path == systemd.drop_in() and not any(path.parent.iterdir()):
        path.parent.rmdir()
