"""A look into another process's memory, for whoever is allowed to: what is in it, and what is not.

Linux (proc(5): /proc/PID/maps and mem). Elsewhere, and where the kernel refuses, there is nothing to see.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import NamedTuple


_WRITABLE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw")
_BLOCK_BYTES = 1 << 20


class Searched(NamedTuple):
    """How much was looked at, and which of the needles were there."""

    size_bytes: int
    found: set[str]


def search(pid: int, needles: set[str]) -> Searched | None:
    """Look for `needles` in all that `pid` can write to; None where it may not be looked at."""
    sought = {needle: needle.encode() for needle in needles}
    overlap = max(map(len, sought.values()))
    size_bytes, found, tail = 0, set(), b""
    try:
        for block in _blocks(Path(f"/proc/{pid}")):
            window = tail + block
            found |= {needle for needle, raw in sought.items() if raw in window}
            size_bytes += len(block)
            tail = block[-overlap:]
    except OSError:
        return None
    return Searched(size_bytes, found)


def _blocks(process: Path) -> Iterator[bytes]:
    ranges = [_WRITABLE.match(line) for line in (process / "maps").read_text().splitlines()]
    with (process / "mem").open("rb", buffering=0) as memory:
        for bounds in filter(None, ranges):
            start, end = (int(bound, 16) for bound in bounds.groups())
            # A range can be mapped and have nothing behind it (EIO), or be given back while we look.
            with suppress(OSError):
                yield from _range(memory, start, end)


def _range(memory: FileIO, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        memory.seek(start)
        block = memory.read(min(_BLOCK_BYTES, end - start))
        if not block:
            return
        yield block
        start += len(block)
