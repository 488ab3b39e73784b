"""One connection and its limits, with a handler of the test's own behind it."""

from __future__ import annotations

import asyncio
import json
import socket

from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from aiohttp import web

from mayfly.daemon.http import connection, server
from mayfly.daemon.http.answer import Answer
from support.raw import PATIENCE_SECONDS, dial, dial_unix, get
from support.server import deaf, gone, linux_only, serving


async def test_a_fault_of_ours_goes_to_the_log_and_not_to_the_client() -> None:
    """A handler that fails is a 500 in the usual JSON, and its exception goes to the log."""

    async def handler(_request: web.BaseRequest) -> Answer:
        raise RuntimeError("the secret is 42")

    async with serving(handler) as (port, told), dial(port) as line:
        line.send(get().replace(b"{port}", b"1"))
        reply = await line.reply()

    assert (500, "InternalError") == (reply.status, json.loads(reply.body)["code"])
    assert b"42" not in reply.body
    assert ["the secret is 42"] == [str(fault) for fault in told]


async def test_if_every_connection_waits_for_credentials_the_newest_is_closed() -> None:
    """When none will go soon, one more is refused."""
    arrived, go = asyncio.Semaphore(0), asyncio.Event()

    async def handler(request: web.BaseRequest) -> Answer:
        with cast(connection.Connection, request.protocol).awaiting("nsrc"):
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


@pytest.mark.parametrize(
    "stays_seconds", [None, 0.0, 0.5], ids=["closed", "half-closed before", "half-closed for long"]
)
async def test_a_request_on_a_unix_socket_ends_with_its_client(tmp_path: Path, stays_seconds: float | None) -> None:
    """Once the client has closed its socket, its handler is cancelled, also after it had closed its sending side."""
    arrived, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(_request: web.BaseRequest) -> Answer:
        arrived.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return Answer(200, b"{}")

    async with serving(handler, path=tmp_path / "s"):
        async with dial_unix(tmp_path / "s") as line:
            line.send(get().replace(b"{port}", b"1"))
            await arrived.wait()
            if stays_seconds is not None:
                line.writer.write_eof()
                await asyncio.sleep(stays_seconds)
            assert not cancelled.is_set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await cancelled.wait()


@pytest.mark.parametrize("seconds", [0.0, 0.5])
async def test_a_half_closed_unix_socket_gets_its_answer(tmp_path: Path, seconds: float) -> None:
    """A client that shuts down its sending side (`nc -NU`) and stays gets its answer, then the end."""

    async def handler(_request: web.BaseRequest) -> Answer:
        await asyncio.sleep(seconds)
        return Answer(200, b"{}")

    async with serving(handler, path=tmp_path / "s"), dial_unix(tmp_path / "s") as line:
        line.send(get().replace(b"{port}", b"1"))
        line.writer.write_eof()
        reply = await line.reply()
        rest = await line.rest()

    assert (200, b"{}", b"") == (reply.status, reply.body, rest)


@linux_only
@pytest.mark.parametrize("how", ["idle", "malformed", "hung up", "the last"])
async def test_a_client_that_does_not_read_is_closed_in_time(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """An answer that stays unread, too little to be cut for at once, keeps the connection for `IDLE_SECONDS`."""
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    large = Answer(200, bytes(8_000_000))

    async def handler(_request: web.BaseRequest) -> Answer:
        return large

    async with serving(handler) as (port, _), dial(port) as healthy:
        lines = ["Connection: close"] if how == "the last" else []
        sock = await asyncio.to_thread(deaf, port, get("/x", *lines).replace(b"{port}", b"1"))
        # On a busy machine the server may have closed it by now.
        with suppress(OSError):
            if how == "hung up":
                sock.shutdown(socket.SHUT_WR)
            elif how == "malformed":
                sock.sendall(b"\0\r\n\r\n")
        healthy.close()
        await gone(port)
        sock.close()


@linux_only
async def test_clients_that_do_not_read_their_answer_make_room() -> None:
    """A client that does not read its answer is closed before an honest client is refused."""
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


@linux_only
async def test_clients_that_send_without_reading_make_room() -> None:
    """A client that sends request after request and reads no answer is closed before an honest client is refused."""

    arrived = asyncio.Semaphore(0)

    async def handler(request: web.BaseRequest) -> Answer:
        if request.path == "/piled":
            arrived.release()
            await asyncio.sleep(0.5)
        return Answer(200, b"{}")

    async with serving(handler, places=3) as (port, told):
        socks = [await asyncio.to_thread(deaf, port, 20 * get("/piled").replace(b"{port}", b"1")) for _ in range(3)]
        for _ in socks:
            await arrived.acquire()
        async with dial(port) as honest:
            honest.send(get().replace(b"{port}", b"1"))
            assert 200 == (await honest.reply()).status
        for sock in socks:
            sock.close()

    assert ["crowded"] == told
