"""Grants: what the command costs, what unused ones weigh, how soon a revoked one is refused."""

from __future__ import annotations

import asyncio
import json
import sys

from hashlib import sha256
from typing import Any

from tests.bench.commands import NOTHING, mayfly_command
from tests.bench.load import load, request_for
from tests.bench.proc import resident_mib, timed
from tests.bench.stage import STS_SECONDS, stage
from tests.bench.table import Row, milliseconds
from tests.support.world import Reply, World, parse_reply

from mayfly.shared.credentials import Credentials, parse_instant
from mayfly.shared.grant import MAX_SESSION_SECONDS, GrantOrder, Narrowing, subject
from mayfly.shared.wire import Request, request_bytes


ROUNDS = 15
COUNTS = (10, 1_000, 10_000)
REVOCATIONS = 15
SERVED_BEFORE = 20
REST_SECONDS = 3
ARN = "arn:aws:iam::aws:policy/ReadOnlyAccess"


async def command() -> list[Row]:
    """A narrowed grant of a role beside an exchange of its own with its call of STS; a grant of keys beside Python."""
    async with stage(roles=1) as world, world.serve():
        await world.get("/credentials/r0")
        world.sts.faults.latency_seconds = STS_SECONDS
        mayfly, request = mayfly_command(), await _request(world)
        exchange = (sys.executable, "-I", "-m", "mayfly.exchange", "--config", str(world.config))
        rounds = [
            [
                await _took(world, mayfly, "grant", "r0", "--read-only", "--", "true"),
                await _took(world, *exchange, stdin=request),
                await _took(world, mayfly, "grant", "s0", "--", "true"),
                await _took(world, *NOTHING),
            ]
            for _ in range(ROUNDS)
        ]
    narrowed, alone, with_keys, bare = (milliseconds(seconds) for seconds in zip(*rounds[1:], strict=True))
    return [
        Row(
            what="mayfly grant ROLE --read-only -- true",
            measured=narrowed,
            reference=alone,
            against=f"an exchange and STS ({STS_SECONDS} s), alone",
            ratio_at_most=1.3,
        ),
        Row(
            what="mayfly grant KEYS -- true",
            measured=with_keys,
            reference=bare,
            against="bare",
            ratio_at_most=6,
        ),
    ]


async def weight() -> list[Row]:
    """Resident memory with many grants that nobody uses, all of one narrowing."""
    async with stage(roles=1) as world, world.serve() as served:
        await world.get("/credentials/r0")
        sizes = [resident_mib(served.pid)]
        for before, count in zip((0, *COUNTS), COUNTS, strict=False):
            for _ in range(count - before):
                await _make(world, "r0", narrowing={"policy_arns": [ARN]}, seconds=12 * 3600)
            # The list is written to grants.json meanwhile.
            await asyncio.sleep(REST_SECONDS)
            sizes.append(resident_mib(served.pid))
    more = [size - sizes[0] for size in sizes[1:]]
    return [
        Row(what="resident without a grant", measured=sizes[0], unit="MiB"),
        *(
            Row(
                what=f"more with {count:,} unused grants",
                measured=mib,
                unit="MiB",
                at_most=20 if count == COUNTS[-1] else None,
            )
            for count, mib in zip(COUNTS, more, strict=True)
        ),
    ]


async def revoke() -> list[Row]:
    """From the answer to a revocation on: a client that has just been served, on the same connection."""
    late = 0
    seconds: list[float] = []
    served: list[float] = []
    async with stage() as world, world.serve():
        await world.get("/credentials/s0")
        for _ in range(REVOCATIONS):
            made = await _make(world, "s0")
            with load(world.port, request_for(world, "s0", made["token"]), connections=1) as client:
                served += await asyncio.to_thread(client.latencies, SERVED_BEFORE)
                assert (await _call(world, "DELETE", f"/grants/{made['id']}")).status == 200
                until, more = await asyncio.to_thread(client.until_refused)
            seconds.append(until)
            late += more
    return [
        Row(what="requests answered after mayfly revoke", measured=late, unit="", exactly=0),
        Row(
            what="from revoke to the first 401",
            measured=milliseconds(seconds),
            reference=milliseconds(served),
            against="one warm GET",
        ),
    ]


async def _took(world: World, *argv: str, stdin: bytes = b"") -> float:
    async with timed() as seconds:
        ended = await world.run_program(*argv, stdin=stdin)
    if ended.code:
        raise AssertionError(f"{argv}: {ended.err}")
    return seconds[0]


async def _request(world: World) -> bytes:
    """What the daemon sends to an exchange for a narrowed grant."""
    tree = (await world.get("/credentials/s0")).json
    source = Credentials(
        access_key_id=tree["AccessKeyId"],
        secret_access_key=tree["SecretAccessKey"],
        session_token=tree["Token"],
        expiration=parse_instant(tree["Expiration"]),
    )
    name = subject("r0", "0a1b2c3d")
    order = GrantOrder("true", MAX_SESSION_SECONDS, Narrowing(policy_arns=(ARN,)))
    digest = sha256(world.config.read_bytes()).hexdigest()
    return request_bytes(
        Request(kind="assume", digest=digest, profiles=(name,), sessions={"s0": source}, grants={name: order})
    )


async def _make(world: World, profile: str, **more: Any) -> dict[str, Any]:
    """A grant, by the control socket; the answer has its token."""
    reply = await _call(world, "POST", "/grants", {"profile": profile} | more)
    if reply.status != 200:
        raise AssertionError(reply.raw)
    made: dict[str, Any] = reply.json
    return made


async def _call(world: World, method: str, target: str, tree: dict[str, Any] | None = None) -> Reply:
    body = json.dumps(tree).encode() if tree else b""
    reader, writer = await asyncio.open_unix_connection(str(world.run_dir / "control.sock"))
    writer.write(f"{method} {target} HTTP/1.0\r\nHost: mayfly\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    reply = parse_reply(await reader.read())
    writer.close()
    return reply
