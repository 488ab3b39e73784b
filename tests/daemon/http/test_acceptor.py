"""Accepting connections: how many wait, the last ones before a daemon ends, and what the system cannot give."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import time

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from aiohttp import web

from mayfly.daemon.admission import Peer
from mayfly.daemon.http import acceptor as acceptors
from mayfly.daemon.http.acceptor import ANSWERS_PER_SECOND, BACKLOG, Acceptor
from mayfly.daemon.http.answer import Answer
from mayfly.daemon.http.connection import Connection
from mayfly.daemon.http.eviction import FEW, GRACE_SECONDS
from mayfly.daemon.http.places import Places
from mayfly.daemon.http.server import Server
from support.raw import dial, dial_unix, filled, get, replies
from support.server import serving


async def _handle(_request: web.BaseRequest) -> Answer:
    return Answer(200, b"{}")


REQUEST = filled(get("/", "Connection: close"), port="1")
KEPT = filled(get("/"), port="1")


def accepting(sock: socket.socket, told: list[Any]) -> tuple[Acceptor, Server]:
    server = Server(_handle, on_fault=told.append)
    return Acceptor(sock, server, lambda _sock: Peer(0, 0)), server


async def test_as_many_may_wait_as_the_kernel_allows() -> None:
    """Thousands of clients may connect before one is accepted: the kernel drops none, who would wait for a second."""
    assert 4096 == BACKLOG
    async with serving(_handle) as (port, _):
        # Without a turn of the loop nothing is accepted.
        clients = [socket.create_connection(("127.0.0.1", port), 0.9) for _ in range(1500)]
        for client in clients:
            client.close()


@pytest.mark.parametrize("rounds", range(4))
async def test_a_client_that_connects_at_the_last_moment_is_answered(rounds: int) -> None:
    """A client is answered, however far its connection has come when accepting stops.

    One that is not accepted by then is answered by the next daemon, which has the same socket from systemd.
    """
    told: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        first, server = accepting(inherited.dup(), told)
        clients = [socket.create_connection(inherited.getsockname(), 10) for _ in range(2)]
        for client in clients:
            client.sendall(REQUEST)
        for _ in range(rounds):
            await asyncio.sleep(0)
        await first.stop()
        second, other = accepting(inherited.dup(), told)
        answers = []
        for client in clients:
            with client:
                answers.append(await asyncio.to_thread(client.recv, 65536))
        await second.stop()
        for one in (server, other):
            await one.shutdown(1)

    assert [200, 200] == [replies(answer)[0].status for answer in answers]
    assert [] == told


async def test_of_a_crowd_of_other_users_some_get_an_answer() -> None:
    """A few a second; the others are closed at once, and cost nobody's time."""
    async with serving(_handle, admit=lambda _sock: None) as (port, _):
        heard = []
        for _ in range(ANSWERS_PER_SECOND + 10):
            async with dial(port) as line:
                heard.append(await line.rest())

    assert ANSWERS_PER_SECOND == sum(b"ForeignUser" in answer for answer in heard)
    assert {0, 1} == {len(replies(answer)) for answer in heard}


async def test_without_a_descriptor_accepting_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the system is reported, and a client is answered as soon as it has passed."""
    monkeypatch.setattr(acceptors, "PAUSE_SECONDS", 0.05)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serving(_handle) as (port, told):
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(REQUEST)
            taken = os.open(os.devnull, os.O_RDONLY)
            resource.setrlimit(resource.RLIMIT_NOFILE, (taken, hard))
            try:
                while not told:
                    await asyncio.sleep(0.01)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                os.close(taken)
            answer = await asyncio.to_thread(client.recv, 65536)

    assert 200 == replies(answer)[0].status
    assert {errno.EMFILE} == {fault.errno for fault in told}


async def test_a_client_for_whom_there_is_no_place_yet_waits() -> None:
    """While nobody may go, a new client is not refused; it takes the place of a silent one that has had its time."""
    async with serving(_handle, places=2) as (port, told), dial(port) as first, dial(port) as second:
        async with dial(port) as honest:
            honest.send(REQUEST)
            assert 200 == (await honest.reply()).status
        assert b"" == await first.rest()
        second.send(REQUEST)
        assert 200 == (await second.reply()).status

    assert ["crowded"] == told


@pytest.mark.parametrize("ends", [True, False])
async def test_beside_requests_that_are_being_answered_a_client_waits_for_a_place(
    monkeypatch: pytest.MonkeyPatch, *, ends: bool
) -> None:
    """It is answered after them; if they are not answered in time, it is refused."""
    monkeypatch.setattr(acceptors, "HELD_SECONDS", 30 if ends else 0.1)
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.BaseRequest) -> Answer:
        arrived.set()
        await go.wait()
        return Answer(200, b"{}")

    async with serving(slow, places=1) as (port, told), dial(port) as first:
        first.send(KEPT)
        await arrived.wait()
        async with dial(port) as second:
            await asyncio.sleep(0.05)
            assert [] == told
            if ends:
                go.set()
                second.send(REQUEST)
                assert 200 == (await second.reply()).status
            else:
                assert b"" == await second.rest()
        go.set()
        assert 200 == (await first.reply()).status

    # The first connection may still rest there when the second one takes its place.
    assert set(told) <= {"crowded"} if ends else ["crowded"] == told


@pytest.mark.parametrize("requests", [0, 1], ids=["first", "second"])
async def test_a_request_that_has_not_been_read_yet_keeps_its_place(requests: int) -> None:
    """However late we are to read it, it is answered first."""
    async with serving(_handle, places=1) as (port, _), dial(port) as honest:
        for _ in range(requests):
            honest.send(KEPT)
            await honest.reply()
        await asyncio.sleep(0.01)
        with socket.create_connection(("127.0.0.1", port), 10) as newcomer:
            newcomer.setblocking(False)
            # Both at once, after a time in which the server could not look.
            time.sleep(2 * GRACE_SECONDS)  # noqa: ASYNC251 - the server shall be held up
            newcomer.send(REQUEST)
            honest.send(KEPT)
            assert 200 == (await honest.reply()).status
            answer = await asyncio.get_running_loop().sock_recv(newcomer, 65536)

    assert 200 == replies(answer)[0].status


async def test_a_client_that_waits_for_a_place_is_answered_at_the_end() -> None:
    """A daemon that ends drops nobody whom it has accepted."""
    told: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = Server(_handle, on_fault=told.append, places=Places(1))
        acceptor = Acceptor(sock.dup(), server, lambda _sock: Peer(0, 0))
        async with dial(sock.getsockname()[1]) as silent, dial(sock.getsockname()[1]) as honest:
            honest.send(REQUEST)
            while acceptor._held is None:
                await asyncio.sleep(0)
            await acceptor.stop()
            assert 200 == (await honest.reply()).status
            silent.close()
            await server.shutdown(1)

    assert [] == told


async def test_a_process_that_has_its_share_of_the_control_socket_is_told_so(tmp_path: Path) -> None:
    """While all places are taken, it gets no more; its connections stay."""
    path = tmp_path / "s"

    async with AsyncExitStack() as stack:
        _, told = await stack.enter_async_context(
            serving(_handle, admit=lambda _sock: Peer(0, pid=7), places=FEW + 1, path=path, has_reserve=True)
        )
        lines = [await stack.enter_async_context(dial_unix(path)) for _ in range(FEW + 1)]
        async with dial_unix(path) as refused:
            reply = await refused.reply()
        for line in lines:
            line.send(REQUEST)
            assert 200 == (await line.reply()).status

    assert (503, "Crowded") == (reply.status, reply.json["code"])
    assert ["crowded"] == told


async def test_a_command_that_makes_room_is_told_so(tmp_path: Path) -> None:
    """A command that waits for credentials, and must go for another, gets an answer that says why."""

    async def wait(request: web.BaseRequest) -> Answer:
        with cast(Connection, request.protocol).awaiting("nsrc"):
            await asyncio.sleep(60)
        return Answer(200, b"{}")

    path = tmp_path / "s"
    async with serving(wait, places=1, path=path, has_reserve=True) as (_, told), dial_unix(path) as first:
        first.send(REQUEST)
        async with dial_unix(path):
            reply = await first.reply()

    assert (503, "Crowded", "close") == (reply.status, reply.json["code"], reply.header("Connection"))
    assert ["crowded"] == told
