"""Searches the memory of another process.

Only on Linux (proc(5): /proc/PID/maps and mem), and only if the kernel permits it.
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
    """The number of bytes that were searched, and the needles that were found."""

    size_bytes: int
    found: set[str]


def search(pid: int, needles: set[str]) -> Searched | None:
    """Search the writable memory of `pid` for `needles`; None if it cannot be read."""
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
            # A range can be mapped without memory behind it (EIO), or be unmapped during the search.
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
