"""What libfaketime leaves in shared memory where its process was killed: in the way of the next with the same pid."""

from __future__ import annotations

import re

from contextlib import suppress
from pathlib import Path


_LEFT_BY = re.compile(r"(?:sem\.)?faketime_(?:shm|sem)_(\d+)")


def tidy(shared: Path = Path("/dev/shm")) -> None:
    """Remove what belongs to nobody who lives; what another user has left stays where only that user may remove it."""
    for path in shared.glob("*faketime_*"):
        left = _LEFT_BY.fullmatch(path.name)
        if left and not Path(f"/proc/{left[1]}").exists():
            with suppress(FileNotFoundError, PermissionError):
                path.unlink()
