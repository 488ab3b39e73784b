"""The first GET of a process that has just started: the daemon looks for it among all processes of the user."""

from __future__ import annotations

import asyncio
import sys

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.bench.load import settled
from tests.bench.stage import stage
from tests.bench.table import Row, milliseconds
from tests.support.world import World


ROUNDS = 15
OTHERS = 250
DESCRIPTORS = 60
NEWCOMERS = 10
# The audit looks up five clients a second.
BETWEEN_SECONDS = 0.25

_OTHER = f"""
import os, sys
for _ in range({DESCRIPTORS}):
    os.open("/dev/null", os.O_RDONLY)
print(flush=True)
sys.stdin.read()
"""
_CLIENT = """
import socket, sys, time
request = open(sys.argv[2], "rb").read()
start = time.perf_counter()
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
    sock.sendall(request)
    answer = sock.recv(65536)
print(time.perf_counter() - start)
sys.exit(not answer.startswith(b"HTTP/1.1 200 "))
"""


async def newcomer() -> list[Row]:
    """One new process after the other, by turns at a daemon of its own world, with and without the crowd.

    Nobody can take a crowd away and put it back between two requests, so the turns are three blocks of rounds.
    """
    async with stage() as world, world.serve() as served:
        await settled(world, "s0")
        alone, crowded = [], []
        for _ in range(3):
            alone += [(await _first_get(world))[1] for _ in range(ROUNDS // 3)]
            async with _crowd():
                crowded += [(await _first_get(world))[1] for _ in range(ROUNDS // 3)]
        async with _crowd():
            pids = [(await _first_get(world))[0] for _ in range(NEWCOMERS)]
        await asyncio.sleep(1)
        named = {event["pid"] for event in served.events("credentials.handed_out")}
    return [
        Row(
            what=f"first GET of a new process, among {OTHERS} with {DESCRIPTORS} descriptors each",
            measured=milliseconds(crowded),
            reference=milliseconds(alone),
            against="with none",
            ratio_at_most=3,
        ),
        Row(
            what=f"of {NEWCOMERS} new processes among them, named by the audit",
            measured=sum(pid in named for pid in pids),
            unit="",
            at_least=NEWCOMERS - 1,
        ),
    ]


async def _first_get(world: World) -> tuple[int, float]:
    """The pid of a new process, and the seconds from its connect to its answer."""
    request = world.folder / "request"
    request.write_bytes(_request(world))
    await asyncio.sleep(BETWEEN_SECONDS)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _CLIENT, str(world.port), str(request)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise AssertionError("the client failed")
    return process.pid, float(out)


def _request(world: World) -> bytes:
    host = f"127.0.0.1:{world.port}"
    lines = ("GET /credentials/s0 HTTP/1.1", f"Host: {host}", f"Authorization: {world.token('s0')}", "", "")
    return "\r\n".join(lines).encode()


@asynccontextmanager
async def _crowd() -> AsyncIterator[None]:
    """Other processes of this user, each with open descriptors."""
    others = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-S", "-c", _OTHER), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(OTHERS)
    ]
    try:
        for other in others:
            assert other.stdout is not None
            await other.stdout.readline()
        yield
    finally:
        await asyncio.gather(*(other.communicate(b"") for other in others))
