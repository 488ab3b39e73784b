"""What the daemon is compared with, each a process of its own: `python -m tests.bench.servers bare|unchecked|closing`.

It reads the body that it is to answer from standard input, and prints its port.
"""

from __future__ import annotations

import asyncio
import socket
import sys

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import web

from mayfly.daemon.admission import Peer
from mayfly.daemon.http.acceptor import BACKLOG, Acceptor
from mayfly.daemon.http.answer import Answer
from mayfly.daemon.http.server import Server


_acceptors: list[Acceptor] = []


class Reference:
    """A running server to compare with."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.pid = process.pid
        self.port = port


@asynccontextmanager
async def reference(kind: str, body: bytes) -> AsyncIterator[Reference]:
    """The server of that kind, for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.servers", kind),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(body)
    process.stdin.close()
    try:
        yield Reference(process, int(await process.stdout.readline()))
    finally:
        process.terminate()
        await process.wait()


async def _bare(body: bytes) -> int:
    """An aiohttp application as everybody writes it."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    app = web.Application()
    app.router.add_get("/credentials/{profile}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


async def _unchecked(body: bytes) -> int:
    """The daemon's own server and answer, with no check, no keeper and no audit."""
    ready = Answer(200, body)

    async def answer(_request: web.BaseRequest) -> Answer:
        return ready

    sock = socket.create_server(("127.0.0.1", 0))
    _acceptors.append(Acceptor(sock, Server(answer, on_fault=lambda _fault: None), lambda _sock: Peer(0, 0)))
    return int(sock.getsockname()[1])


class _Closing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


async def _closing(_body: bytes) -> int:
    """asyncio's own server, which answers nobody."""
    server = await asyncio.get_running_loop().create_server(_Closing, "127.0.0.1", 0, backlog=BACKLOG)
    return int(server.sockets[0].getsockname()[1])


async def _serve(kind: str, body: bytes) -> None:
    port = await {"bare": _bare, "unchecked": _unchecked, "closing": _closing}[kind](body)
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.stdin.buffer.read()))
