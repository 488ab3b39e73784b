"""A refused client gets its answer, and holds no connection for long."""

from __future__ import annotations

import asyncio
import socket

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mayfly.daemon.http import refused_connections
from mayfly.daemon.http.refused_connections import RefusedConnections


class _Refused(asyncio.Protocol):
    """Refuses a connection that it has already."""

    def __init__(self, refused: RefusedConnections) -> None:
        self._refused = refused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._refused.close(transport, b"no")


@asynccontextmanager
async def refusing() -> AsyncIterator[tuple[int, RefusedConnections]]:
    """A port where every client gets `no`."""
    refused = RefusedConnections()
    accepting = await asyncio.get_running_loop().create_server(lambda: _Refused(refused), "127.0.0.1", 0)
    async with accepting:
        yield accepting.sockets[0].getsockname()[1], refused
        refused.abort()


async def answer_to(port: int, sent: bytes) -> bytes:
    """What a client gets that sends all of `sent` before it reads; nothing if the connection is reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("length", [0, 1, 60_000])
async def test_bytes_that_come_meanwhile_do_not_cost_the_answer(length: int) -> None:
    """They are read, so that TCP does not reset the connection."""
    async with refusing() as (port, _), asyncio.timeout(10):
        assert b"no" == await answer_to(port, bytes(length))


async def test_a_client_that_goes_on_sending_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused client may send `LAST_BYTES` more, then the connection is closed."""
    monkeypatch.setattr(refused_connections, "LAST_SECONDS", 60)
    async with refusing() as (port, _), asyncio.timeout(10):
        assert b"" == await answer_to(port, bytes(10_000_000))


async def test_a_client_that_stays_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that neither reads nor closes is closed after `LAST_SECONDS`."""
    monkeypatch.setattr(refused_connections, "LAST_SECONDS", 0.05)
    async with refusing() as (port, refused), asyncio.timeout(10):
        with socket.create_connection(("127.0.0.1", port)):
            while not refused._closing:
                await asyncio.sleep(0.01)
            while refused._closing:
                await asyncio.sleep(0.01)


async def test_a_crowd_is_cut_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `AT_ONCE` refused clients get an answer at a time; one that leaves makes room for the next."""
    monkeypatch.setattr(refused_connections, "LAST_SECONDS", 60)
    async with refusing() as (port, refused), asyncio.timeout(10):
        stay = [socket.create_connection(("127.0.0.1", port)) for _ in range(refused_connections.AT_ONCE)]
        while len(refused._closing) < refused_connections.AT_ONCE:
            await asyncio.sleep(0.01)
        assert b"" == await answer_to(port, b"x")
        for sock in stay:
            sock.close()
        while refused._closing:
            await asyncio.sleep(0.01)
        assert b"no" == await answer_to(port, b"x")
