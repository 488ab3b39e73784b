"""aiohttp's low-level server with our connections, and the limits that concern all of them."""

from __future__ import annotations

import asyncio
import logging

from asyncio import Transport
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from mayfly.daemon.admission import Peer
from mayfly.daemon.http.answer import Answer
from mayfly.daemon.http.connection import IDLE_SECONDS, Connection
from mayfly.daemon.http.refused_connections import RefusedConnections


Handler = Callable[[web.BaseRequest], Awaitable[Answer]]

CONNECTIONS = 2048
FIELD_BYTES = 8 * 1024
HEADERS = 128
_LOOK_AGAIN_SECONDS = 0.01

# The parser's warnings quote the client's bytes, and these may hold a token.
_silent = logging.getLogger("mayfly.http.silent")
_silent.disabled = True


class Server(web.Server):
    """A server of `Connection`s.

    `admit` returns the process at the other end of a new connection, or None to refuse it. `on_fault` is called with
    our own faults, `on_refusal` with the cause of a refusal. `places` is the limit of open connections.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        admit: Callable[[Transport], Peer | None],
        on_fault: Callable[[BaseException | None], None],
        on_refusal: Callable[[str], None] = lambda _cause: None,
        places: int = CONNECTIONS,
    ) -> None:
        super().__init__(cast(Any, handler), handler_cancellation=True)
        self.admit = admit
        self.on_fault = on_fault
        self.on_refusal = on_refusal
        self.refused_connections = RefusedConnections()
        self._places = places

    def make_room(self) -> bool:
        """Make room for one more connection, by closing the oldest idle one if need be; False if none is idle."""
        if len(self._connections) < self._places:
            return True
        self.on_refusal("crowded")
        oldest = next((known for known in self._connections if cast(Connection, known).is_idle), None)
        if oldest is None:
            return False
        self._connections.pop(oldest).abort()
        return True

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's own name
        """Wait up to `timeout` seconds for the answers that are due, then close every connection."""
        await super().shutdown(timeout)
        self.refused_connections.abort()

    async def finish_requests(self, seconds: float) -> None:
        """Wait up to `seconds` for connected clients to send their request, including connections being accepted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                while any(cast(Connection, known).awaits_request for known in self._connections):  # noqa: ASYNC110 - aiohttp has no event for it
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def __call__(self) -> RequestHandler:
        """The protocol for one new connection."""
        return Connection(
            self,
            loop=self._loop,
            # No access log: aiohttp takes None for "off", which its annotation forgets.
            access_log=cast(Any, None),
            logger=_silent,
            max_line_size=FIELD_BYTES,
            max_field_size=FIELD_BYTES,
            max_headers=HEADERS,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=0,
            tcp_keepalive=False,
        )
