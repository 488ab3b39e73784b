"""`prompt/PROFILE` in the runtime folder: one line for shells' prompts, the profile's name and its session's end.

    work 1795377540

The end is in seconds since 1970 (UTC), by this machine's clock. There is no secret in it. The daemon writes the files,
and nobody else does; shells read them by their builtins (docs/prompt.md).
"""

from __future__ import annotations

from mayfly.shared import paths
from mayfly.shared.files import Unreadable, read_plain_file


TYPE_CHECKING = False  # typing costs a shell's prompt some ms
if TYPE_CHECKING:
    from pathlib import Path


# A name has 64 letters at most.
LIMIT_BYTES = 256


def folder() -> Path:
    """Where the files are; 0700."""
    return paths.runtime_dir() / "prompt"


def line(profile: str, end: int) -> str:
    """The content of a file."""
    return f"{profile} {end}\n"


def read_end(profile: str) -> int | None:
    """The end of the profile's session; None if there is no file, or it holds something else."""
    try:
        words = read_plain_file(folder() / profile, LIMIT_BYTES, follow_link=False).split()
    except (OSError, Unreadable):
        return None
    is_whole = len(words) == 2 and words[0] == profile.encode() and words[1].isdigit()
    return int(words[1]) if is_whole else None


def profiles() -> list[str]:
    """The profiles that have a file."""
    try:
        return sorted(path.name for path in folder().iterdir() if not path.name.startswith("."))
    except OSError:
        return []
