"""Whether a folder is in memory: on a tmpfs or ramfs. Both may be swapped out, as all memory may."""

from __future__ import annotations

import os

from pathlib import Path


MOUNTS = Path("/proc/self/mountinfo")
_IN_MEMORY = {"tmpfs", "ramfs"}


def is_in_memory(path: str, mounts: Path = MOUNTS) -> bool:
    """True if `path` is; raises OSError if it is missing. False where the system does not say (macOS).

    By the number of its device, which the rows of proc_pid_mountinfo(5) have, so that no path is compared.
    """
    device = Path(path).stat().st_dev
    try:
        rows = mounts.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    return f"{os.major(device)}:{os.minor(device)}" in _devices_in_memory(rows)


def _devices_in_memory(rows: list[str]) -> set[str]:
    """The third field of each row whose type, the first field after a lone `-`, is of memory."""
    found = set()
    for row in rows:
        fields, _, after = row.partition(" - ")
        if after.partition(" ")[0] in _IN_MEMORY:
            found.add(fields.split(" ")[2])
    return found
