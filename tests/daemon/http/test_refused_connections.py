"""Who is turned away hears why, and holds nothing for it."""

from __future__ import annotations

import asyncio
import socket

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mayfly.daemon.http import refused_connections
from mayfly.daemon.http.refused_connections import RefusedConnections


class _TurnedAway(asyncio.Protocol):
    def __init__(self, refused: RefusedConnections) -> None:
        self._refused = refused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._refused.close(transport, b"no")


@asynccontextmanager
async def turning_away() -> AsyncIterator[tuple[int, RefusedConnections]]:
    """A port where everybody hears `no`."""
    refused = RefusedConnections()
    accepting = await asyncio.get_running_loop().create_server(lambda: _TurnedAway(refused), "127.0.0.1", 0)
    async with accepting:
        yield accepting.sockets[0].getsockname()[1], refused
        refused.abort()


async def heard(port: int, sent: bytes) -> bytes:
    """What somebody hears who sends all that before listening; nothing, where it is reset."""
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
async def test_what_is_sent_meanwhile_does_not_cost_the_answer(length: int) -> None:
    """It is read, so that TCP does not reset the connection."""
    async with turning_away() as (port, _), asyncio.timeout(10):
        assert b"no" == await heard(port, bytes(length))


async def test_whoever_goes_on_sending_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than any request has is not listened to."""
    monkeypatch.setattr(refused_connections, "LAST_SECONDS", 60)
    async with turning_away() as (port, _), asyncio.timeout(10):
        assert b"" == await heard(port, bytes(10_000_000))


async def test_whoever_stays_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that neither reads nor closes has its descriptor back in no time."""
    monkeypatch.setattr(refused_connections, "LAST_SECONDS", 0.05)
    async with turning_away() as (port, refused), asyncio.timeout(10):
        with socket.create_connection(("127.0.0.1", port)):
            while not refused._closing:
                await asyncio.sleep(0.01)
            while refused._closing:
                await asyncio.sleep(0.01)


async def test_a_crowd_is_cut_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many are heard out at once, and who has left makes room."""
    monkeypatch.setattr(refused_connections, "LAST_SECONDS", 60)
    async with turning_away() as (port, refused), asyncio.timeout(10):
        stay = [socket.create_connection(("127.0.0.1", port)) for _ in range(refused_connections.AT_ONCE)]
        while len(refused._closing) < refused_connections.AT_ONCE:
            await asyncio.sleep(0.01)
        assert b"" == await heard(port, b"x")
        for sock in stay:
            sock.close()
        while refused._closing:
            await asyncio.sleep(0.01)
        assert b"no" == await heard(port, b"x")
