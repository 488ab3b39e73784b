"""How many connections there may be, how long one may say nothing, and that honest clients notice none of it."""

from __future__ import annotations

import asyncio
import json
import socket
import sys

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from aiohttp import web

from mayfly.daemon.admission import Peer
from mayfly.daemon.http import connection, server
from mayfly.daemon.http.answer import Answer
from mayfly.daemon.http.connection import IDLE_SECONDS
from mayfly.daemon.http.server import CONNECTIONS, Server
from support.raw import PATIENCE_SECONDS, Line, Reply, asking, dial, filled, get, replies
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
    """With a thousand of them an honest client is served."""
    assert 200 == (await served(warm.world)).status
    async with half_open(warm.world.port, 1000):
        assert 200 == (await served(warm.world)).status


@on_warm
async def test_when_all_places_are_taken_the_oldest_without_headers_goes(warm: Warm) -> None:
    """One connection too many costs the oldest half-open one its place, and no other."""
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
    """Complete headers are worth a place, however many come after."""
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
async def test_whoever_says_nothing_is_cut_off(warm: Warm) -> None:
    """Five seconds to the end of the headers, however they trickle, and between requests."""
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
    assert IDLE_SECONDS - 1 < seconds < IDLE_SECONDS + 5


async def _trickle(line: Line) -> None:
    for byte in HALF * 2:
        line.send(bytes([byte]))
        await asyncio.sleep(0.2)


def test_the_limits_are_those_of_the_contract() -> None:
    """2,048 connections, 8 kB a field, 128 headers."""
    assert (2048, 8192, 128) == (server.CONNECTIONS, server.FIELD_BYTES, server.HEADERS)


@asynccontextmanager
async def serving(
    handler: Any, *, admit: Any = lambda _transport: Peer(0, 0), places: int = CONNECTIONS
) -> AsyncIterator[tuple[int, list[Any]]]:
    """A server of ours around a handler, its port, and what it tells of faults and refusals."""
    told: list[Any] = []
    server = Server(handler, admit=admit, on_fault=told.append, on_refusal=told.append, places=places)
    accepting = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield accepting.sockets[0].getsockname()[1], told
    finally:
        accepting.close()
        await server.shutdown(1)


async def test_a_fault_of_ours_is_told_to_the_log_and_not_to_the_client() -> None:
    """A handler that fails is a 500 in the usual JSON, and its exception goes to the log."""

    async def handler(_request: web.BaseRequest) -> Answer:
        raise RuntimeError("the secret is 42")

    async with serving(handler) as (port, told), dial(port) as line:
        line.send(get().replace(b"{port}", b"1"))
        reply = await line.reply()

    assert (500, "InternalError") == (reply.status, json.loads(reply.body)["code"])
    assert b"42" not in reply.body
    assert ["the secret is 42"] == [str(fault) for fault in told]


async def test_where_nobody_can_be_sent_away_the_newcomer_is() -> None:
    """When every connection waits for an answer, one more is refused."""
    arrived, go = asyncio.Semaphore(0), asyncio.Event()

    async def handler(_request: web.BaseRequest) -> Answer:
        arrived.release()
        await go.wait()
        return Answer(200, b"{}")

    async with serving(handler, places=2) as (port, told), dial(port) as first, dial(port) as second:
        for line in (first, second):
            line.send(get().replace(b"{port}", b"1"))
            await arrived.acquire()
        async with dial(port) as third:
            assert b"" == await third.rest()
        go.set()
        assert [200, 200] == [(await first.reply()).status, (await second.reply()).status]

    assert ["crowded"] == told


LONG = [f"X-{number}: {'x' * 8000}" for number in range(120)]


@on_warm
async def test_headers_that_are_heaped_up_cost_no_memory(warm: Warm) -> None:
    """Each field and their number within the limits, and the end never comes: that is cut off, and costs nobody."""
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
async def test_whoever_heaps_up_headers_is_told(warm: Warm, first: bytes) -> None:
    """32 kB without an end are refused as malformed, also behind a request that was answered."""
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


@on_warm
async def test_more_headers_than_any_client_has_are_read(warm: Warm) -> None:
    """Nearly 32 kB of them, at once or by and by, again and again on one connection."""
    whole = warm.fill(asking(*LONG[:3], *(f"Y-{number}: {'y' * 50}" for number in range(110))))
    assert 30_000 < len(whole) < connection.HEAD_BYTES
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


def deaf(port: int, sent: bytes) -> socket.socket:
    """A client that sends what is taken of so many bytes, and reads nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    sock.connect(("127.0.0.1", port))
    sock.settimeout(0.5)
    with suppress(OSError):
        sock.sendall(sent)
    return sock


def ends(port: int) -> int:
    """How many connections to its port a server still has a descriptor for: an orphan has no inode."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] != "0A" and row[9] != "0" for row in rows)


async def gone(port: int) -> None:
    async with asyncio.timeout(30):
        while ends(port):
            await asyncio.sleep(0.05)


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")


@on_warm
@linux_only
async def test_whoever_does_not_read_costs_no_memory(warm: Warm) -> None:
    """Answers that nobody takes are not heaped up: the connection is cut."""
    assert 200 == (await served(warm.world)).status
    before = resident_mib(warm.daemon.pid)
    request = filled(get("/x"), port=str(warm.world.port))
    socks = [await asyncio.to_thread(deaf, warm.world.port, request * 100_000) for _ in range(2)]

    assert resident_mib(warm.daemon.pid) < before + 5
    assert 200 == (await served(warm.world)).status
    await gone(warm.world.port)
    for sock in socks:
        sock.close()


@linux_only
@pytest.mark.parametrize("how", ["idle", "malformed", "hung up", "the last"])
async def test_whoever_does_not_read_is_sent_away_in_time(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A little that is not taken, too little to be cut for, holds its place no longer than silence does."""
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    large = Answer(200, bytes(8_000_000))

    async def handler(_request: web.BaseRequest) -> Answer:
        return large

    async with serving(handler) as (port, _), dial(port) as healthy:
        lines = ["Connection: close"] if how == "the last" else []
        sock = await asyncio.to_thread(deaf, port, get("/x", *lines).replace(b"{port}", b"1"))
        # On a machine that is busy it may have been sent away by now.
        with suppress(OSError):
            if how == "hung up":
                sock.shutdown(socket.SHUT_WR)
            elif how == "malformed":
                sock.sendall(b"\0\r\n\r\n")
        healthy.close()
        await gone(port)
        sock.close()


@linux_only
async def test_a_house_full_of_those_who_do_not_read_has_room() -> None:
    """Whoever has been answered and does not take it, goes before an honest client is turned away."""
    answer = Answer(200, bytes(8_000_000))

    async def handler(request: web.BaseRequest) -> Answer:
        return answer if request.path == "/large" else Answer(200, b"{}")

    closing = get("/large", "Connection: close").replace(b"{port}", b"1")
    async with serving(handler, places=3) as (port, told):
        socks = [await asyncio.to_thread(deaf, port, closing) for _ in range(3)]
        async with dial(port) as honest:
            honest.send(get().replace(b"{port}", b"1"))
            assert 200 == (await honest.reply()).status
        for sock in socks:
            sock.close()

    assert ["crowded"] == told


@on_warm
async def test_whoever_says_that_it_asks_no_more_is_answered(warm: Warm) -> None:
    """A client that closes its half after its requests (`nc -N`) gets all answers, and then the end."""
    async with dial(warm.world.port) as line:
        line.send(warm.fill(asking() * 3))
        line.writer.write_eof()
        statuses = [reply.status for reply in replies(await line.rest())]

    assert [200] * 3 == statuses


async def test_whoever_asks_no_more_may_wait_for_a_human(world: World) -> None:
    """The half that is closed does not end what is held open."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve(), dial(world.port) as line:
        line.send(filled(asking(), port=str(world.port), token=world.token()))
        line.writer.write_eof()
        assert 100 == (await line.reply()).status
        world.vault.update(prompt={"answer": "approve"})
        assert 200 == replies(await line.rest())[-1].status


@linux_only
async def test_with_few_descriptors_an_honest_client_is_served(world: World) -> None:
    """Six hundred half-open connections on 256 descriptors: nobody waits, and the log is not flooded."""
    async with world.serve(prefix=("sh", "-c", 'ulimit -n 256; exec "$@"', "sh")) as daemon:
        assert 200 == (await world.get()).status
        async with half_open(world.port, 600):
            began = asyncio.get_running_loop().time()
            assert 200 == (await world.get()).status
            assert asyncio.get_running_loop().time() - began < 5

    assert len(daemon.events("library.warned")) <= 3
