"""500 profiles over 20 sources in 2 accounts of 1Password."""

from __future__ import annotations

import asyncio

from tests.bench.commands import NOTHING, by_turns, mayfly_command
from tests.bench.life import until_healthy
from tests.bench.proc import resident_mib, timed
from tests.bench.stage import calls, stage
from tests.bench.table import Row
from tests.support.world import Served, World


SOURCES = 20
ROLES = 480
ACCOUNTS = 2
STARTS = 3


async def scale() -> list[Row]:
    """Start, size, a stampede on all that is cold, and `status`."""
    async with stage(sources=SOURCES, roles=ROLES, accounts=ACCOUNTS) as world:
        starts = [await until_healthy(world) for _ in range(STARTS)]
        async with world.serve() as served:
            stampede = await _stampede(world, served)
            status, nothing = await by_turns(world, (mayfly_command(), "status", "--json"), NOTHING)
    return [
        Row(what="500 profiles: first start, tokens made", measured=starts[0] * 1000, at_most=1000),
        Row(what="500 profiles: start to listening", measured=min(starts[1:]) * 1000, at_most=1000),
        *stampede,
        Row(
            what="500 profiles: mayfly status",
            measured=status,
            reference=nothing,
            against="python3 -c pass",
            at_most=200,
        ),
    ]


async def _stampede(world: World, served: Served) -> list[Row]:
    names = [f"s{number}" for number in range(SOURCES)] + [f"r{number}" for number in range(ROLES)]
    async with timed() as seconds:
        replies = await asyncio.gather(*(world.get(f"/credentials/{name}") for name in names))
    exchanges = served.events("exchange.started")
    waves = sum(any(name.startswith("r") for name in event["profiles"]) for event in exchanges)
    state = world.vault.state()
    what = "500 profiles, stampede:"
    return [
        Row(what=f"{what} answered", measured=sum(r.status == 200 for r in replies), unit="", exactly=len(names)),
        Row(what=f"{what} op calls", measured=state["calls"], unit="", exactly=ACCOUNTS),
        Row(what=f"{what} op calls at once", measured=state["overlap"]["max"], unit="", exactly=1),
        Row(what=f"{what} GetSessionToken", measured=calls(world, "GetSessionToken"), unit="", exactly=SOURCES),
        Row(what=f"{what} AssumeRole", measured=calls(world, "AssumeRole"), unit="", exactly=ROLES),
        Row(what=f"{what} waves of roles (one an account)", measured=waves, unit="", exactly=ACCOUNTS),
        Row(what=f"{what} last answer", measured=seconds[0] * 1000),
        Row(what="500 profiles: resident after it", measured=resident_mib(served.pid), unit="MiB", at_most=64),
    ]
