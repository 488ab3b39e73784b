"""aiohttp's low-level server with our connections, and its places among those of all listeners."""

from __future__ import annotations

import asyncio
import logging

from asyncio import Transport
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from mayfly.daemon.admission import Peer
from mayfly.daemon.http.answer import Answer
from mayfly.daemon.http.connection import IDLE_SECONDS, Connection
from mayfly.daemon.http.eviction import Guest
from mayfly.daemon.http.places import Places, Room
from mayfly.daemon.http.refused_connections import RefusedConnections


Handler = Callable[[web.BaseRequest], Awaitable[Answer]]

FIELD_BYTES = 8 * 1024
HEADERS = 128
_LOOK_AGAIN_SECONDS = 0.01

# The parser's warnings quote the client's bytes, and these may hold a token.
_silent = logging.getLogger("mayfly.http.silent")
_silent.disabled = True


class Server(web.Server):
    """A server of `Connection`s.

    An `Acceptor` gives it connections. `on_fault` is called with our own faults, `on_refusal` with the cause of a
    refusal. Some of the `places` are reserved for this server if it `has_reserve`. It may have `most` of them.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        on_fault: Callable[[BaseException | None], None],
        on_refusal: Callable[[str], None] = lambda _cause: None,
        places: Places | None = None,
        has_reserve: bool = False,
        most: int | None = None,
    ) -> None:
        super().__init__(cast(Any, handler), handler_cancellation=True)
        self.on_fault = on_fault
        self.on_refusal = on_refusal
        self.refused_connections = RefusedConnections()
        self.has_reserve = has_reserve
        self.most = most
        self._places = places or Places()
        self._places.add(self)
        self._expected = 0

    @property
    def guests(self) -> Iterator[Guest]:
        """The open connections, oldest first."""
        return iter(cast("dict[Guest, Transport]", self._connections))

    @property
    def count(self) -> int:
        """The number of connections that are open, or about to be."""
        return len(self._connections) + self._expected

    def drop(self, guest: Guest) -> bool:
        """Close this connection, and do not count it any more; False if it has gone, or has just sent something."""
        connection = cast(Connection, guest)
        if connection not in self._connections or connection.has_sent:
            return False
        del self._connections[connection]
        connection.turn_away()
        return True

    def make_room(self, peer: Peer) -> Room:
        """Make room for one more connection, by closing another if need be."""
        room = self._places.make_room(self, peer.pid)
        if room in (Room.MADE, Room.NONE):
            self.on_refusal("crowded")
        return room

    def expect(self) -> None:
        """Count a connection that has been accepted, and is about to be made."""
        self._expected += 1

    def forget_expected(self) -> None:
        """An accepted connection could not be made."""
        self._expected -= 1

    def connection_made(self, handler: RequestHandler, transport: Transport) -> None:
        """A connection has been made."""
        self._expected -= 1
        super().connection_made(handler, transport)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's own name
        """Wait up to `timeout` seconds for the answers that are due, then close every connection."""
        await super().shutdown(timeout)
        self.refused_connections.abort()

    def leave_places(self) -> None:
        """The server has shut down, before the daemon does."""
        self._places.remove(self)

    async def finish_requests(self, seconds: float) -> None:
        """Wait up to `seconds` for connected clients to send their request, including connections being accepted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                while any(cast(Connection, known).awaits_request for known in self._connections):  # noqa: ASYNC110 - aiohttp has no event for it
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def connection_of(self, peer: Peer) -> Connection:
        """The protocol for one new connection, of the process at its other end."""
        return Connection(
            self,
            peer=peer,
            loop=self._loop,
            # No access log: aiohttp takes None for "off", which its annotation forgets.
            access_log=cast(Any, None),
            logger=_silent,
            max_line_size=FIELD_BYTES,
            max_field_size=FIELD_BYTES,
            max_headers=HEADERS,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=0,
            auto_decompress=False,
            tcp_keepalive=False,
        )
