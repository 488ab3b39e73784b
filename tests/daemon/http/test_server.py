"""A server that is about to end: clients that are connected may still send their request."""

from __future__ import annotations

import asyncio
import socket

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from mayfly.daemon.admission import Peer
from mayfly.daemon.http.acceptor import Acceptor
from mayfly.daemon.http.answer import Answer, json_answer
from mayfly.daemon.http.server import Server
from support.raw import Line, dial, filled, get, replies


async def _handle(_request: web.BaseRequest) -> Answer:
    return json_answer(200, {})


@asynccontextmanager
async def closing() -> AsyncIterator[tuple[Server, Line]]:
    """A server that accepts no more connections, and a client that is connected and has sent nothing."""
    faults: list[object] = []
    server = Server(_handle, on_fault=faults.append)
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    acceptor = Acceptor(sock, server, lambda _sock: Peer(0, 0))
    async with dial(port) as line:
        while not server.connections:
            await asyncio.sleep(0)
        await acceptor.stop()
        yield server, line
    assert [] == faults


async def test_a_connected_client_may_still_send_its_request() -> None:
    """A server that ends waits for the request of a connected client, answers it, and then closes the connection."""
    async with closing() as (server, line):
        finishing = asyncio.create_task(server.finish_requests(30))
        await asyncio.sleep(0.05)
        is_patient = not finishing.done()
        line.send(filled(get("/"), port="1"))
        await finishing
        server.pre_shutdown()
        await server.shutdown(30)
        found = replies(await line.rest())

    assert is_patient
    assert [200] == [reply.status for reply in found]


async def test_a_silent_client_is_not_waited_for() -> None:
    """A client that sends no request does not keep the server from ending."""
    async with closing() as (server, line):
        await server.finish_requests(0.05)
        server.pre_shutdown()
        await server.shutdown(30)

        assert b"" == await line.rest()
