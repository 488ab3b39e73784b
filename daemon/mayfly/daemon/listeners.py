"""The listening sockets of the endpoint and the control socket, with all connections on them."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from collections.abc import AsyncIterator, Callable

from mayfly.daemon.admission import Peer
from mayfly.daemon.http.acceptor import Acceptor
from mayfly.daemon.http.places import Places
from mayfly.daemon.http.server import Handler, Server


Admit = Callable[[socket.socket], Peer | None]


class Listeners:
    """Accepts connections, and ends them in order."""

    def __init__(
        self,
        places: Places,
        *,
        on_fault: Callable[[BaseException | None], None],
        on_refusal: Callable[[str], None],
        end_seconds: float,
    ) -> None:
        """`end_seconds` after the end, connections that are still open are closed."""
        self._places = places
        self._on_fault = on_fault
        self._on_refusal = on_refusal
        self._end_seconds = end_seconds
        self._listeners: list[tuple[Acceptor, Server]] = []

    @contextlib.asynccontextmanager
    async def accepting(
        self, sock: socket.socket, handle: Handler, admit: Admit, *, has_reserve: bool = False
    ) -> AsyncIterator[None]:
        """Accept connections on `sock` in the block; at its end, close each as soon as its request is answered."""
        server = Server(
            handle,
            on_fault=self._on_fault,
            on_refusal=self._on_refusal,
            places=self._places,
            has_reserve=has_reserve,
        )
        acceptor = Acceptor(sock, server, admit)
        self._listeners.append((acceptor, server))
        try:
            yield
        finally:
            await acceptor.stop()
            server.pre_shutdown()
            await server.shutdown(self._end_seconds)

    async def stop_accepting(self) -> None:
        """Accept no more connections; open connections stay."""
        await asyncio.gather(*(acceptor.stop() for acceptor, _ in self._listeners))

    async def finish_requests(self, seconds: float) -> None:
        """Wait up to `seconds` for the requests that have been sent already to be read."""
        await asyncio.gather(*(server.finish_requests(seconds) for _, server in self._listeners))
