"""The kind of a folder's file system, and the kinds that are in memory. These may be swapped out, as all memory may."""

from __future__ import annotations

import os
import re

from collections.abc import Iterable
from pathlib import Path


MOUNTS = Path("/proc/self/mountinfo")
IN_MEMORY = {"tmpfs", "ramfs"}


def file_system(folder: Path, lines: Iterable[str] | None = None) -> str:
    """The kind of the file system that has `folder`, by the lines of mountinfo (proc_pid_mountinfo(5)).

    "" if there is none, and where the system has no such list (macOS).
    """
    place = Path(os.path.realpath(folder))
    best, kind = -1, ""
    for line in _lines() if lines is None else lines:
        words, _, rest = line.partition(" - ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), [*words.split(" "), *"     "][4]))
        # A later mount on the same point covers an earlier one.
        if rest and place.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), rest.split(" ", 1)[0]
    return kind


def _lines() -> list[str]:
    try:
        return os.fsdecode(MOUNTS.read_bytes()).split("\n")
    except OSError:
        return []
