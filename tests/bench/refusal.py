"""What one connection of another user costs the daemon: it is refused before anything is made for it."""

from __future__ import annotations

import asyncio
import os
import sys

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

from tests.bench.proc import cpu_seconds
from tests.bench.servers import reference
from tests.bench.stage import stage
from tests.bench.table import Row


ROUNDS = 5
CONNECTIONS = 4_000
NOBODY = 65534

# Reads a port and a number from each line, makes so many connections, and waits until the other side has closed them.
# It resets them then: thousands that close slowly would use up the ports.
_STRANGER = f"""
import os, socket, struct, sys
at_once = struct.pack("=ii", 1, 0)
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
for line in iter(sys.stdin.readline, ""):
    port, left = map(int, line.split())
    while left:
        socks = [socket.socket() for _ in range(min(left, 100))]
        left -= len(socks)
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            sock.connect(("127.0.0.1", port))
        for sock in socks:
            try:
                while sock.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            sock.close()
    print("done", flush=True)
"""


async def refusal() -> list[Row]:
    """The daemon, and asyncio's own server that closes each connection as it is made, by turns. Root plays the user."""
    if os.getuid() != 0:
        return []
    async with stage() as world, world.serve() as served, reference("closing", b"") as closing, _stranger() as stranger:
        ports = {served.pid: world.port, closing.pid: closing.port}
        used: dict[int, list[float]] = {pid: [] for pid in ports}
        for _ in range(ROUNDS):
            for pid, port in ports.items():
                before = cpu_seconds(pid)
                await _connect(stranger, port)
                used[pid].append((cpu_seconds(pid) - before) / CONNECTIONS * 1e6)
    return [
        Row(
            what="a connection of another user, refused: CPU",
            measured=median(used[served.pid]),
            unit="us",
            reference=median(used[closing.pid]),
            against="asyncio server that closes it",
            ratio_at_most=1,
        )
    ]


async def _connect(stranger: asyncio.subprocess.Process, port: int) -> None:
    assert stranger.stdin is not None
    assert stranger.stdout is not None
    stranger.stdin.write(f"{port} {CONNECTIONS}\n".encode())
    assert await stranger.stdout.readline() == b"done\n"


@asynccontextmanager
async def _stranger() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _STRANGER), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        await process.communicate(b"")
