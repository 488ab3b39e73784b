"""Answers from memory: how many a second, how soon, and what they leave behind."""

from __future__ import annotations

import asyncio

from contextlib import suppress
from statistics import quantiles

from tests.bench.load import AT_ONCE, by_turns, load, request_for, settled
from tests.bench.proc import resident_mib
from tests.bench.servers import reference
from tests.bench.stage import stage
from tests.bench.table import Row


ROUNDS = 15
ROUND_SECONDS = 1.0
REQUESTS = 10_000
PATIENT_REQUESTS = 1000


async def warm() -> list[Row]:
    """The daemon, a bare application, and the daemon's own server without checks, by turns."""
    async with stage() as world, world.serve() as served:
        await settled(world, "s0")
        body, request = (await world.get("/credentials/s0")).body, request_for(world, "s0")
        async with reference("bare", body) as bare, reference("unchecked", body) as unchecked:
            ports = {served.pid: world.port, bare.pid: bare.port, unchecked.pid: unchecked.port}
            checked, plain, without = await by_turns(ports, request, rounds=ROUNDS, seconds=ROUND_SECONDS)
    return [
        _rate("with all checks", checked.by_clock, plain.by_clock, ratio_at_least=1.25),
        _rate("with all checks, by the server's CPU", checked.by_cpu, plain.by_cpu),
        _rate("our server without checks", without.by_clock, plain.by_clock),
        _rate("our server without checks, by its CPU", without.by_cpu, plain.by_cpu),
        Row(
            what=f"p99 of a warm GET, {AT_ONCE} connections",
            measured=checked.p99_milliseconds,
            reference=plain.p99_milliseconds,
            against="bare aiohttp application",
            ratio_at_most=3,
        ),
    ]


def _rate(what: str, measured: float, reference: float, *, ratio_at_least: float | None = None) -> Row:
    return Row(
        what=f"warm GET, {what}",
        measured=measured,
        unit="req/s",
        reference=reference,
        against="bare aiohttp application",
        ratio_at_least=ratio_at_least,
    )


async def hang() -> list[Row]:
    """While another profile's `op` hangs, as soon as before."""
    async with stage(sources=2) as world, world.serve():
        await settled(world, "s0")
        with load(world.port, request_for(world, "s0"), connections=1) as one:
            before = await asyncio.to_thread(one.latencies, PATIENT_REQUESTS)
            world.vault.update(hang=True)
            stuck = asyncio.create_task(world.get("/credentials/s1"))
            while world.vault.state()["calls"] < 2:
                await asyncio.sleep(0.05)
            during = await asyncio.to_thread(one.latencies, PATIENT_REQUESTS)
            stuck.cancel()
            with suppress(asyncio.CancelledError):
                await stuck
    return [
        Row(
            what="p99 of a warm GET while another op hangs",
            measured=_p99(during),
            reference=_p99(before),
            against="with none",
            at_most=20,
        )
    ]


async def memory() -> list[Row]:
    """Resident memory after ten thousand requests."""
    async with stage() as world, world.serve() as served:
        await settled(world, "s0")
        body, request = (await world.get("/credentials/s0")).body, request_for(world, "s0")
        async with reference("bare", body) as bare:
            with load(world.port, request) as ours, load(bare.port, request) as theirs:
                await asyncio.to_thread(ours.send, REQUESTS)
                await asyncio.to_thread(theirs.send, REQUESTS)
                measured, reference_mib = resident_mib(served.pid), resident_mib(bare.pid)
    return [
        Row(
            what="resident after 10,000 requests",
            measured=measured,
            unit="MiB",
            reference=reference_mib,
            against="bare aiohttp application",
            at_most=45,
        )
    ]


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[98] * 1000
