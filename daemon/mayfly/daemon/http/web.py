"""aiohttp's low-level server, as both HTTP faces need it: no banner, no router, and every refusal in the same JSON.

What the parser itself refuses is answered by the protocol, not by a handler: so that is replaced here, too. Here are
also the limits of a connection: how many there may be, how long one may say nothing, how much it may say.
"""

from __future__ import annotations

import asyncio
import json
import logging

from asyncio import Transport
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler

from mayfly.daemon.http.refused_connections import RefusedConnections
from mayfly.shared.peer import Peer


Handler = Callable[[web.BaseRequest], Awaitable["Answer"]]

# Parser warnings quote what a client sent, and what it sent may be a token.
_silent = logging.getLogger("mayfly.web.silent")
_silent.disabled = True

FIELD_BYTES = 8 * 1024
HEADERS = 128
# All headers of a request together, and, as no more is read at once, what its last packet brings.
HEAD_BYTES = 32 * 1024
READ_BYTES = 16 * 1024
CONNECTIONS = 2048
# To the end of a first request's headers, from an answer to the end of the next request's, and for a last answer to be
# taken.
IDLE_SECONDS = 5
# Of its answers a client may leave so much unread, beyond what the kernel holds for it, and get one more.
UNREAD_BYTES = 16 * 1024
_LOOK_AGAIN_SECONDS = 0.01


class Answer(web.StreamResponse):
    """A whole response as bytes, made once and written as often as it is asked for.

    It is shared between connections, so it remembers nothing of any of them.
    """

    def __init__(self, status: int, body: bytes, *, headers: str = "") -> None:
        super().__init__(status=status)
        self.body = body
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            "Content-Type: application/json\r\n"
            "Cache-Control: no-store\r\n"
            f"Content-Length: {len(body)}\r\n{headers}"
        ).encode()
        self._open = head + b"\r\n" + body
        self.last = head + b"Connection: close\r\n\r\n" + body

    @property
    def keep_alive(self) -> bool | None:
        """Yes, as far as the answer is concerned: `prepare` closes the connections that are to be closed."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write everything at once."""
        connection = cast(Connection, request.protocol)
        # aiohttp loses what follows an offer of h2c in one packet: so nothing may follow.
        stays_open = request.keep_alive and self.status != 400 and hdrs.UPGRADE not in request.headers
        stays_open = stays_open and not connection.is_last
        whole = self._open if stays_open else self.last
        connection.write(whole if request.method != "HEAD" else whole[: len(whole) - len(self.body)])
        connection.answered += 1
        if not stays_open:
            connection.close()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


def json_answer(status: int, tree: Any) -> Answer:
    """An answer whose body is `tree` as JSON."""
    return Answer(status, json.dumps(tree, separators=(",", ":")).encode())


def refusal(status: int, code: str, message: str, *, headers: str = "") -> Answer:
    """An error in the shape that SDKs show: flat, with `code` and `message`."""
    body = json.dumps({"code": code, "message": message}, ensure_ascii=False).encode()
    return Answer(status, body, headers=headers)


_MALFORMED = refusal(400, "BadRequest", "this is no HTTP request that mayfly understands")
_FOREIGN = refusal(403, "ForeignUser", "mayfly answers nobody but its own user's processes")
_FAILED = refusal(500, "InternalError", "mayfly failed: look at its log")


class Connection(RequestHandler):
    """One client's connection; its server decides about it before a byte is read, and finds its `peer`."""

    __slots__ = ("_begun_bytes", "answered", "has_hung_up", "peer")

    peer: Peer | None

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.answered = 0
        self.has_hung_up = False
        self._begun_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Turn away at once whom the server does not admit, or has no room for."""
        server = cast("Server", self._manager)
        transport.max_size = READ_BYTES
        self.peer = server.admit(transport)
        if self.peer is None:
            server.refused_connections.say(transport, _FOREIGN.last)
            self._manager = None
            return
        if not server.make_room():
            transport.abort()
            self._manager = None
            return
        transport.set_write_buffer_limits(UNREAD_BYTES)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hear what has come; whoever heaps up headers, and never ends them, is turned away."""
        known = self._request_count
        super().data_received(data)
        if self._request_count != known:
            self._begun_bytes = 0
        elif self.answered == known:
            self._begun_bytes += len(data)
            if self._begun_bytes > HEAD_BYTES:
                self._turn_away()

    def _turn_away(self) -> None:
        transport, server = self.transport, cast("Server | None", self._manager)
        if transport is None or server is None or not self.is_open:
            return
        server.on_refusal("malformed")
        # As if it had been lost: what still comes is no concern of aiohttp's.
        self.transport = None
        self.connection_lost(None)
        server.refused_connections.say(transport, _MALFORMED.last)

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is still to be answered; also once it is to be closed."""
        return self.answered == self._request_count or self._close or self._force_close

    @property
    def is_last(self) -> bool:
        """Whether the answer that is due now is the last: the client has said that it asks no more."""
        return self.has_hung_up and not self._messages

    @property
    def is_open(self) -> bool:
        """Whether, for all we know, somebody is there to take an answer."""
        return self.transport is not None and not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send; raises ConnectionResetError where the client has gone, or reads none of what it has asked for."""
        transport = self.transport
        if transport is None or not self.is_open:
            raise ConnectionResetError("the client has gone")
        if transport.get_write_buffer_size() > UNREAD_BYTES:
            transport.abort()
            raise ConnectionResetError("the client does not read")
        transport.write(data)

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's own says so; aiohttp never stays
        """A client that sends no more is still owed what it has asked for (`nc -N`)."""
        self.has_hung_up = True
        return not self.is_idle

    def close(self) -> None:
        """Send what is written, and no more; what is not taken in time is dropped."""
        super().close()
        if self.transport is not None and self.transport.get_write_buffer_size():
            self._loop.call_later(IDLE_SECONDS, self.transport.abort)

    def force_close(self) -> None:
        """End now. aiohttp alone would wait, without an end, until everything is read."""
        transport = self.transport
        super().force_close()
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()

    @property
    def is_unheard(self) -> bool:
        """Whether its first request has not come, or one that has come has not been looked at."""
        return self._request_count == 0 or (self._waiter is not None and self._waiter.done())

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what the parser refused (400), or to a fault of ours (500)."""
        self.keep_alive(False)
        server = cast("Server | None", self._manager)
        if status == 400:
            if server is not None:
                server.on_refusal("malformed")
            return _MALFORMED
        if server is not None:
            server.on_fault(exc)
        return _FAILED

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Faults are told once, by `handle_error`."""


class Server(web.Server):
    """A server whose connections are ours.

    `admit` tells at accept who is at the other end, or None to turn them away; `on_fault` hears of our own faults,
    `on_refusal` of the cause where a connection or a request is refused here; `places` is how many there may be.
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
        """Whether one more connection may be; where all places are taken, the oldest idle one goes."""
        if len(self._connections) < self._places:
            return True
        self.on_refusal("crowded")
        oldest = next((known for known in self._connections if cast(Connection, known).is_idle), None)
        if oldest is None:
            return False
        self._connections.pop(oldest).abort()
        return True

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's own name
        """Wait so many seconds for the answers that are due, then cut everybody off."""
        await super().shutdown(timeout)
        self.refused_connections.cut()

    async def hear_out(self, seconds: float) -> None:
        """Wait until whoever has come has asked: `seconds` at most, and long enough for those being accepted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                while any(cast(Connection, known).is_unheard for known in self._connections):  # noqa: ASYNC110 - aiohttp tells nobody
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
