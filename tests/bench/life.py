"""The daemon's own life: how soon it listens, what it imports for that, and what it does while nobody asks."""

from __future__ import annotations

import asyncio
import os
import sys

from contextlib import suppress

from tests.bench.load import settled
from tests.bench.proc import cpu_seconds, timed, took, wakes
from tests.bench.servers import reference
from tests.bench.stage import stage
from tests.bench.table import Row, milliseconds
from tests.support.world import World


STARTS = 15
IDLE_SECONDS = 60
# "No measurable CPU": none by ps and top, which tell it in ticks. Less than half a tick rounds to none.
MEASURABLE_MS = 1000 / os.sysconf("SC_CLK_TCK") / 2
FOR_SERVE = "import aiohttp.web, structlog, cattrs"
FOR_THE_EXCHANGE = ("botocore", "aiobotocore", "boto3")


async def start() -> list[Row]:
    """From exec to an answered `/healthz`, beside an interpreter that imports what a daemon needs and ends."""
    async with stage() as world:
        ours, theirs = [], []
        for _ in range(STARTS):
            ours.append(await until_healthy(world))
            theirs.append(await took(sys.executable, "-c", FOR_SERVE, env=world.env))
        imported = await _imported(world)
    return [
        Row(
            what="start to the first answered /healthz",
            measured=milliseconds(ours),
            reference=milliseconds(theirs),
            against=FOR_SERVE,
            ratio_at_most=1.5,
        ),
        Row(what="modules imported for the exchange, over a login", measured=imported, unit="", exactly=0),
    ]


async def idle() -> list[Row]:
    """A minute with credentials in memory and nobody asking."""
    async with stage() as world, world.serve() as served, reference("bare", b"{}") as bare:
        await settled(world, "s0")
        before = [(wakes(pid), cpu_seconds(pid)) for pid in (served.pid, bare.pid)]
        await asyncio.sleep(IDLE_SECONDS)
        after = [(wakes(pid), cpu_seconds(pid)) for pid in (served.pid, bare.pid)]
    per_minute = 60 / IDLE_SECONDS
    (woke, used), (bare_woke, bare_used) = ((b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True))
    against = "bare aiohttp application"
    return [
        Row(
            what="idle: wake-ups a minute",
            measured=woke * per_minute,
            unit="",
            reference=bare_woke * per_minute,
            against=against,
            at_most=4,
        ),
        Row(
            what=f"idle: CPU in {IDLE_SECONDS} s",
            measured=used * 1000,
            reference=bare_used * 1000,
            against=against,
            at_most=MEASURABLE_MS,
            decimals=1,
        ),
    ]


async def until_healthy(world: World) -> float:
    """Seconds from the start of a daemon to its first answer; then it is ended."""
    async with timed() as seconds:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mayfly", "serve"),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=world.env,
        )
        while not await _answers(world.port):
            await asyncio.sleep(0.002)
    process.terminate()
    await process.wait()
    return seconds[0]


async def _answers(port: int) -> bool:
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer.startswith(b"HTTP/1.1 200 ")
    return False


async def _imported(world: World) -> int:
    """How many of the exchange's modules a daemon has imported by the time that it has done a login."""
    async with world.serve(env={"PYTHONPROFILEIMPORTTIME": "1"}) as served:
        await world.get("/credentials/s0")
        lines = served.log_text.splitlines()
    names = [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]
    assert "mayfly.daemon" in names
    return sum(name.startswith(FOR_THE_EXCHANGE) for name in names)
