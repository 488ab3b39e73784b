"""The limits of connections, headers and silence, and that honest clients never notice them."""

from __future__ import annotations

import asyncio
import json
import socket

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from mayfly.daemon.http import server
from mayfly.daemon.http.connection import IDLE_SECONDS
from mayfly.daemon.http.head import HEAD_BYTES
from mayfly.daemon.http.places import CONNECTIONS
from support.raw import PATIENCE_SECONDS, Line, Reply, asking, dial, filled, get, replies
from support.server import deaf, gone, linux_only
from support.warm import Warm
from support.world import World


on_warm = pytest.mark.asyncio(loop_scope="module")
HALF = b"GET /credentials/nsrc HTTP/1.1\r\nHost: "


async def served(world: World) -> Reply:
    async with dial(world.port) as line:
        line.send(filled(asking(), port=str(world.port), token=world.token()))
        while (reply := await line.reply()).status == 100:
            pass
        return reply


@asynccontextmanager
async def half_open(port: int, count: int, sent: bytes = HALF) -> AsyncIterator[list[socket.socket]]:
    """Connections that never complete their headers: made as fast as can be, because they have five seconds."""

    def dial_all() -> None:
        for sock in socks:
            sock.connect(("127.0.0.1", port))
            sock.sendall(sent)

    socks = [socket.socket() for _ in range(count)]
    try:
        await asyncio.to_thread(dial_all)
        yield socks
    finally:
        for sock in socks:
            sock.close()


async def is_cut(sock: socket.socket) -> bool:
    """Whether the other side ends the connection, in time."""

    def rest() -> bytes:
        sock.settimeout(PATIENCE_SECONDS)
        with suppress(ConnectionResetError):
            return sock.recv(1)
        return b""

    return await asyncio.to_thread(rest) == b""


@on_warm
async def test_half_open_connections_keep_nobody_out(warm: Warm) -> None:
    """Beside a thousand half-open connections an honest client is served."""
    assert 200 == (await served(warm.world)).status
    async with half_open(warm.world.port, 1000):
        assert 200 == (await served(warm.world)).status


@on_warm
async def test_when_all_places_are_taken_the_oldest_idle_connection_goes(warm: Warm) -> None:
    """One connection too many closes the oldest idle one, and no other."""
    assert 200 == (await served(warm.world)).status
    async with dial(warm.world.port) as kept:
        kept.send(filled(asking(target="/credentials/nsrc"), port=str(warm.world.port), token=warm.world.token()))
        await kept.reply()
        async with half_open(warm.world.port, CONNECTIONS) as socks:
            assert 200 == (await served(warm.world)).status

            # The one that had been served was idle, and the oldest; then the first of the half-open ones.
            assert b"" == await kept.rest()
            assert await is_cut(socks[0])
    assert "crowded" in {refused["cause"] for refused in warm.daemon.events("request.refused")}


async def test_a_connection_that_waits_for_a_human_keeps_its_place(world: World) -> None:
    """A request with complete headers keeps its connection, however many half-open ones follow."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve(), dial(world.port) as waiting:
        waiting.send(filled(asking(), port=str(world.port), token=world.token()))
        assert 100 == (await waiting.reply()).status
        async with half_open(world.port, CONNECTIONS + 10):
            world.vault.update(prompt={"answer": "approve"})
            while (reply := await waiting.reply()).status == 100:
                pass
            assert 200 == reply.status


@on_warm
@pytest.mark.slow
async def test_a_silent_client_is_closed(warm: Warm) -> None:
    """Five seconds to the end of the headers, even if they trickle, and five between requests."""
    assert 200 == (await served(warm.world)).status
    async with dial(warm.world.port) as mute, dial(warm.world.port) as slow, dial(warm.world.port) as idle:
        idle.send(filled(asking(), port=str(warm.world.port), token=warm.world.token()))
        assert 200 == (await idle.reply()).status
        trickle = asyncio.create_task(_trickle(slow))
        began = asyncio.get_running_loop().time()
        assert [b"", b"", b""] == await asyncio.gather(mute.rest(), slow.rest(), idle.rest())
        seconds = asyncio.get_running_loop().time() - began
        trickle.cancel()

    assert 5 == IDLE_SECONDS
    assert IDLE_SECONDS - 1 < seconds < PATIENCE_SECONDS


async def _trickle(line: Line) -> None:
    for byte in HALF * 2:
        line.send(bytes([byte]))
        await asyncio.sleep(0.2)


def test_the_limits_are_those_of_the_contract() -> None:
    """2,048 connections, 8 kB a field, 128 headers."""
    assert (2048, 8192, 128) == (CONNECTIONS, server.FIELD_BYTES, server.HEADERS)


LONG = [f"X-{number}: {'x' * 8000}" for number in range(120)]


@on_warm
async def test_headers_without_an_end_cost_no_memory(warm: Warm) -> None:
    """Headers within the limits of size and number whose end never comes are refused, and cost no memory."""
    assert 200 == (await served(warm.world)).status
    before = resident_mib(warm.daemon.pid)
    heap = get("/x", *LONG).removesuffix(b"\r\n\r\n")
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(dial(warm.world.port)) for _ in range(50)]
        for line in lines:
            line.send(heap)
        ends = await asyncio.gather(*(line.rest() for line in lines))

    assert resident_mib(warm.daemon.pid) < before + 15
    # A crowd is cut without a word.
    assert {400} == {reply.status for end in ends for reply in replies(end)}
    assert 200 == (await served(warm.world)).status


@on_warm
@pytest.mark.parametrize("first", [b"", asking()], ids=["the first", "a later one"])
async def test_headers_without_an_end_are_refused(warm: Warm, first: bytes) -> None:
    """More than 32 kB without an end are refused as malformed, behind an answered request too."""
    before = json.loads((await warm.world.run("status", "--json")).out)["refusals"].get("malformed", 0)
    async with dial(warm.world.port) as line:
        if first:
            line.send(warm.fill(first))
            assert 200 == (await line.reply()).status
        line.send(get("/x", *LONG[:5]).removesuffix(b"\r\n\r\n"))
        (told,) = replies(await line.rest())

    assert (400, "close") == (told.status, told.header("Connection"))
    after = json.loads((await warm.world.run("status", "--json")).out)["refusals"]["malformed"]
    assert before + 1 == after


def head_of(warm: Warm, length: int) -> bytes:
    """A request with the right token whose head has exactly so many bytes, in nine fields."""
    lines = [f"X-{number}: {'x' * 3500}" for number in range(8)]
    rest = length - len(warm.fill(asking(*lines, "X-8: ")))
    return warm.fill(asking(*lines, f"X-8: {'x' * rest}"))


@on_warm
@pytest.mark.parametrize("before", [0, 1, 3], ids=["first", "second", "fourth"])
@pytest.mark.parametrize("start", [0, 1, 16_384, 32_766, 32_767, 32_768])
async def test_a_head_has_32_kb_and_not_one_byte_more(warm: Warm, before: int, start: int) -> None:
    """A head of 32 kB is answered, one of a byte more is refused: at once or in parts, behind other requests too."""
    assert 200 == (await served(warm.world)).status
    whole = head_of(warm, HEAD_BYTES)
    async with dial(warm.world.port) as line:
        for _ in range(before):
            line.send(whole)
            assert 200 == (await line.reply()).status
        for length, status in ((HEAD_BYTES, 200), (HEAD_BYTES + 1, 400)):
            sent = head_of(warm, length)
            line.send(sent[:start])
            await asyncio.sleep(0.05)
            line.send(sent[start:])
            assert status == (await line.reply()).status


@on_warm
@pytest.mark.parametrize(("length", "last"), [(32_768, 200), (32_769, 400)])
async def test_a_head_that_is_pipelined_has_32_kb_too(warm: Warm, length: int, last: int) -> None:
    """Requests before it in the same packets are answered, and do not count."""
    assert 200 == (await served(warm.world)).status
    async with dial(warm.world.port) as line:
        line.send(warm.fill(asking()) * 3 + head_of(warm, length))
        assert [200, 200, 200, last] == [(await line.reply()).status for _ in range(4)]


async def test_too_long_a_head_behind_a_request_that_waits_is_refused_after_it(world: World) -> None:
    """A client that waits for a human gets the answer that is due, and then the refusal."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve() as daemon, dial(world.port) as line:
        request = filled(asking(), port=str(world.port), token=world.token())
        line.send(request)
        assert 100 == (await line.reply()).status
        line.send(get("/x", *LONG[:5]).removesuffix(b"\r\n\r\n"))
        await asyncio.sleep(0.2)
        line.send(request)
        world.vault.update(prompt={"answer": "approve"})
        statuses = [reply.status for reply in replies(await line.rest())]
        assert [] == daemon.events("request.failed")

    assert [200, 400] == [status for status in statuses if status != 100]


@on_warm
async def test_nearly_32_kb_of_headers_are_read(warm: Warm) -> None:
    """Nearly 32 kB of headers, in one packet or several, again and again on one connection."""
    whole = warm.fill(asking(*LONG[:3], *(f"Y-{number}: {'y' * 50}" for number in range(110))))
    assert 30_000 < len(whole) < HEAD_BYTES
    async with dial(warm.world.port) as line:
        for start in (len(whole), 20_000, 1):
            line.send(whole[:start])
            await asyncio.sleep(0.05)
            line.send(whole[start:])
            assert 200 == (await line.reply()).status


@on_warm
async def test_memory_does_not_grow_with_malice(warm: Warm) -> None:
    """Thousands of refused requests, with bodies and without, leave the daemon as small as it was."""
    rounds = 150
    assert 200 == (await served(warm.world)).status
    attacks = [
        asking("Content-Length: 70000") + bytes(70_000),
        asking(*(f"X-{number}: {'x' * 50}" for number in range(120)), target="/x"),
        get(),
        b"\0" * 8000,
        asking() * 30,
    ]
    requests = [filled(attack, port=str(warm.world.port), token=warm.world.token()) for attack in attacks]

    async def attack() -> None:
        for request in requests:
            async with dial(warm.world.port) as line:
                line.send(request)
                await line.reply()

    for _ in range(20):
        await attack()
    before = resident_mib(warm.daemon.pid)
    for _ in range(rounds):
        await attack()

    assert resident_mib(warm.daemon.pid) < before + 5


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@on_warm
@linux_only
async def test_a_client_that_does_not_read_costs_no_memory(warm: Warm) -> None:
    """Answers that a client does not read are not piled up in memory: the connection is cut."""
    assert 200 == (await served(warm.world)).status
    before = resident_mib(warm.daemon.pid)
    request = filled(get("/x"), port=str(warm.world.port))
    socks = [await asyncio.to_thread(deaf, warm.world.port, request * 100_000) for _ in range(2)]

    assert resident_mib(warm.daemon.pid) < before + 5
    assert 200 == (await served(warm.world)).status
    await gone(warm.world.port)
    for sock in socks:
        sock.close()


@on_warm
async def test_a_client_that_shuts_down_its_sending_side_is_answered(warm: Warm) -> None:
    """A client that shuts down its sending side after its requests (`nc -N`) gets all answers, then the end."""
    async with dial(warm.world.port) as line:
        line.send(warm.fill(asking() * 3))
        line.writer.write_eof()
        statuses = [reply.status for reply in replies(await line.rest())]

    assert [200] * 3 == statuses


async def test_a_client_that_shuts_down_its_sending_side_may_wait(world: World) -> None:
    """It is held open for a human like any other."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve(), dial(world.port) as line:
        line.send(filled(asking(), port=str(world.port), token=world.token()))
        line.writer.write_eof()
        assert 100 == (await line.reply()).status
        world.vault.update(prompt={"answer": "approve"})
        assert 200 == replies(await line.rest())[-1].status


@linux_only
async def test_with_few_descriptors_an_honest_client_is_served(world: World) -> None:
    """Beside 600 half-open connections on 256 descriptors a client is answered, and the log is not flooded."""
    async with world.serve(descriptors=256) as daemon:
        assert 200 == (await world.get()).status
        async with half_open(world.port, 600):
            began = asyncio.get_running_loop().time()
            assert 200 == (await world.get()).status
            assert asyncio.get_running_loop().time() - began < PATIENCE_SECONDS

    assert len(daemon.events("library.warned")) <= 3
