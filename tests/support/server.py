"""Our HTTP server in this process, around a handler of the test's own, and clients that do not read.

For tests of `daemon/http` that need no daemon: `serving` gives the port and a list of the faults and refusals that the
server reported. A client that leaves its answers unread is `deaf`; `gone` waits until the server has closed its side of
every connection, which only Linux shows (/proc/net/tcp).
"""

from __future__ import annotations

import asyncio
import socket
import sys

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mayfly.daemon.admission import Peer
from mayfly.daemon.http.acceptor import Acceptor
from mayfly.daemon.http.places import CONNECTIONS, Places
from mayfly.daemon.http.server import Server


@asynccontextmanager
async def serving(
    handler: Any,
    *,
    admit: Any = lambda _sock: Peer(0, 0),
    places: int = CONNECTIONS,
    path: Path | None = None,
    has_reserve: bool = False,
) -> AsyncIterator[tuple[int, list[Any]]]:
    """A server of ours around a handler, its port, and what it tells of faults and refusals.

    With `path` it listens on that Unix socket, and the port is 0.
    """
    told: list[Any] = []
    server = Server(
        handler, on_fault=told.append, on_refusal=told.append, places=Places(places), has_reserve=has_reserve
    )
    if path:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
    else:
        sock = socket.create_server(("127.0.0.1", 0))
    acceptor = Acceptor(sock, server, admit)
    try:
        yield 0 if path else sock.getsockname()[1], told
    finally:
        await acceptor.stop()
        await server.shutdown(1)


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")


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
