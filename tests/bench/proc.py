"""What the kernel says of a process. Linux."""

from __future__ import annotations

import asyncio
import os
import time

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


def resident_mib(pid: int) -> float:
    """Resident memory now."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS") / 1024


def wakes(pid: int) -> int:
    """How often a thread of the process has gone to sleep by itself, so far."""
    return sum(_field(task / "status", "voluntary_ctxt_switches") for task in Path(f"/proc/{pid}/task").iterdir())


def cpu_seconds(pid: int) -> float:
    """CPU that its living threads have used so far: to the nanosecond where the kernel tells it, else to the tick."""
    # /proc/PID/schedstat is that of the first thread alone. A kernel that keeps none has no such file, or 0 in it.
    tasks = Path(f"/proc/{pid}/task").iterdir()
    with suppress(FileNotFoundError):
        if on_cpu := sum(int((task / "schedstat").read_text().split()[0]) for task in tasks):
            return on_cpu / 1e9
    return _ticks(pid) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def _field(path: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(f"{name}:"))


async def took(*argv: str, env: dict[str, str] | None = None) -> float:
    """Seconds that a program takes from its start to its end."""
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, env=env
    )
    if await process.wait():
        raise AssertionError(f"{argv} failed")
    return time.perf_counter() - start


@asynccontextmanager
async def timed() -> AsyncIterator[list[float]]:
    """Seconds that a block takes, as the one entry of a list once it has ended."""
    found: list[float] = []
    start = time.perf_counter()
    yield found
    found.append(time.perf_counter() - start)
