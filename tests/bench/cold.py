"""From the first request to its answer, with nothing in memory: `op` takes 1.0 s, STS 0.2 s."""

from __future__ import annotations

import asyncio
import resource

from contextlib import AsyncExitStack

import boto3

from tests.bench.commands import NOTHING
from tests.bench.proc import timed, took
from tests.bench.stage import calls, slow, stage
from tests.bench.table import Row, milliseconds
from tests.support.world import World

from mayfly.demo.op.vault import ITEM, Vault


RUNS = 15
CLIENTS = 1000
VISITS = 21


async def cold() -> list[Row]:
    """One client after the other, each with a profile of its own; and the two measured alone in between."""
    async with stage(sources=RUNS) as world, world.serve():
        slow(world)
        rows = [await _run(world, f"s{number}") for number in range(RUNS)]
    answers, alone, bare = zip(*rows, strict=True)
    ours = [answer - others for answer, others in zip(answers, alone, strict=True)]
    return [
        Row(
            what="cold: first request to its answer",
            measured=milliseconds(answers),
            reference=milliseconds(alone),
            against="op, then STS, alone",
        ),
        Row(
            what="cold: what is ours of it",
            measured=milliseconds(ours),
            reference=milliseconds(bare),
            against="bare",
            ratio_at_most=7,
        ),
    ]


async def crowd() -> list[Row]:
    """A thousand clients at once, and what they cost; before them one alone, and what that costs."""
    _allow_descriptors()
    async with stage(sources=2) as world, world.serve():
        slow(world)
        async with timed() as one:
            await world.get("/credentials/s0")
        ops, stss = world.vault.state()["calls"], calls(world)
        async with timed() as thousand:
            replies = await asyncio.gather(*(world.get("/credentials/s1") for _ in range(CLIENTS)))
        more_ops, more_stss = world.vault.state()["calls"] - ops, calls(world) - stss
    answered = sum(reply.status == 200 for reply in replies)
    return [
        Row(what="one login: op processes", measured=ops, unit="", exactly=1),
        Row(what="one login: STS calls", measured=stss, unit="", exactly=1),
        Row(what="1,000 clients at once, cold: answered", measured=answered, unit="", exactly=CLIENTS),
        Row(what="1,000 clients at once, cold: op processes", measured=more_ops, unit="", exactly=1),
        Row(what="1,000 clients at once, cold: STS calls", measured=more_stss, unit="", exactly=1),
        Row(
            what="1,000 clients at once, cold: last answer",
            measured=milliseconds(thousand),
            reference=milliseconds(one),
            against="one client",
        ),
    ]


async def half_open() -> list[Row]:
    """An honest client, new each time, beside a thousand connections that never complete their headers."""
    _allow_descriptors()
    async with stage() as world, world.serve(), AsyncExitStack() as held:
        await world.get("/credentials/s0")
        alone = [await _visit(world) for _ in range(VISITS)]
        for _ in range(CLIENTS):
            _, writer = await asyncio.open_connection("127.0.0.1", world.port)
            held.callback(writer.close)
            writer.write(b"GET /credentials/s0 HTTP/1.1\r\nHost: ")
        crowded = [await _visit(world) for _ in range(VISITS)]
    return [
        Row(
            what="1,000 half-open connections: an honest client",
            measured=milliseconds(crowded),
            reference=milliseconds(alone),
            against="with none",
            at_most=50,
        )
    ]


async def _visit(world: World) -> float:
    async with timed() as seconds:
        reply = await world.get("/credentials/s0")
    assert reply.status == 200, reply.raw
    return seconds[0]


async def _run(world: World, profile: str) -> tuple[float, float, float]:
    """Seconds to the answer, of `op` and STS alone, and of `bare`."""
    async with timed() as answer:
        reply = await world.get(f"/credentials/{profile}")
    assert reply.status == 200, reply.raw
    alone = await _op_alone(world) + await _sts_alone(world)
    return answer[0], alone, await took(*NOTHING, env=world.env)


async def _op_alone(world: World) -> float:
    references = Vault().references(ITEM)
    template = "".join(f"{{{{ {reference} }}}}\n" for reference in references.values()).encode()
    async with timed() as seconds:
        ended = await world.run_program(str(world.op), "--cache=false", "--no-color", "inject", stdin=template)
    assert ended.code == 0, ended
    return seconds[0]


async def _sts_alone(world: World) -> float:
    """By a client that is there already; without a code, because that would have to be a fresh one."""
    user = world.sts.account.users[0]
    session = boto3.Session(aws_access_key_id=user.access_key_id, aws_secret_access_key=user.secret_access_key)
    client = session.client("sts", region_name="us-east-1", endpoint_url=world.sts.url)
    async with timed() as seconds:
        await asyncio.to_thread(client.get_session_token)
    client.close()
    return seconds[0]


def _allow_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
