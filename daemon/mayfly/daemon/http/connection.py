"""One client's connection on aiohttp's protocol: admitted at accept, limited in what it may send and leave unread.

The parser's own refusals are answered by the protocol, not by a handler, so the protocol is replaced here.
"""

from __future__ import annotations

from asyncio import Transport
from typing import Any, Protocol, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from mayfly.daemon.admission import Peer
from mayfly.daemon.http.answer import refusal
from mayfly.daemon.http.refused_connections import RefusedConnections


# The limit for all headers of a request together, and for one read, which is how far the last packet may exceed it.
HEAD_BYTES = 32 * 1024
READ_BYTES = 16 * 1024
# The limit from the connection to the end of the first request's headers, from one answer to the end of the next
# request's headers, and for the client to take the last answer.
IDLE_SECONDS = 5
# A client that leaves more than this unread, beyond the kernel's buffers, gets no further answer.
UNREAD_BYTES = 16 * 1024

_MALFORMED = refusal(400, "BadRequest", "this is no HTTP request that mayfly understands")
_FOREIGN = refusal(
    403,
    "ForeignUser",
    "mayfly answers nobody but its own user's processes, and root's with allow_root = true in its config",
)
_FAILED = refusal(500, "InternalError", "mayfly failed: look at its log")


class Owner(Protocol):
    """The server of a connection, as far as the connection needs it."""

    refused_connections: RefusedConnections

    def admit(self, transport: Transport) -> Peer | None:
        """The process at the other end; None if it is refused."""

    def make_room(self) -> bool:
        """False if there is no place for one more connection."""

    def on_refusal(self, cause: str) -> None:
        """A connection or request was refused."""

    def on_fault(self, fault: BaseException | None) -> None:
        """A handler failed."""


class Connection(RequestHandler):
    """One client's connection; `peer` is the process at the other end."""

    __slots__ = ("_head_bytes", "answered", "has_hung_up", "peer")

    peer: Peer | None

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.answered = 0
        self.has_hung_up = False
        self._head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Refuse the connection at once if its process is not admitted, or there is no room."""
        owner = cast(Owner, self._manager)
        transport.max_size = READ_BYTES
        self.peer = owner.admit(transport)
        if self.peer is None:
            owner.refused_connections.close(transport, _FOREIGN.last)
            self._manager = None
            return
        if not owner.make_room():
            transport.abort()
            self._manager = None
            return
        transport.set_write_buffer_limits(UNREAD_BYTES)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read bytes from the client. Refuse the connection if a request's head exceeds `HEAD_BYTES`."""
        known = self._request_count
        super().data_received(data)
        if self._request_count != known:
            self._head_bytes = 0
        elif self.answered == known:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse()

    def _refuse(self) -> None:
        transport, owner = self.transport, cast("Owner | None", self._manager)
        if transport is None or owner is None or not self.is_open:
            return
        owner.on_refusal("malformed")
        # For aiohttp the connection is lost: the bytes that still come are not its business.
        self.transport = None
        self.connection_lost(None)
        owner.refused_connections.close(transport, _MALFORMED.last)

    @property
    def is_idle(self) -> bool:
        """True if every request has been answered, or the connection is about to close."""
        return self.answered == self._request_count or self._close or self._force_close

    @property
    def is_last(self) -> bool:
        """True if the client has shut down its sending side and no further request is pending."""
        return self.has_hung_up and not self._messages

    @property
    def is_open(self) -> bool:
        """True while the client can take an answer, as far as is known."""
        return self.transport is not None and not self.transport.is_closing()

    @property
    def awaits_request(self) -> bool:
        """True if the first request has not come, or one that has come has not been handled yet."""
        return self._request_count == 0 or (self._waiter is not None and self._waiter.done())

    def write(self, data: bytes) -> None:
        """Send `data`; raises ConnectionResetError if the client has gone, or does not read its answers."""
        transport = self.transport
        if transport is None or not self.is_open:
            raise ConnectionResetError("the client has gone")
        if transport.get_write_buffer_size() > UNREAD_BYTES:
            transport.abort()
            raise ConnectionResetError("the client does not read")
        transport.write(data)

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's own says so; aiohttp never stays
        """Keep the connection while answers are due: the client may only have shut down its sending side (`nc -N`)."""
        self.has_hung_up = True
        return not self.is_idle

    def close(self) -> None:
        """Send what is written, then close; drop what the client does not take in `IDLE_SECONDS`."""
        super().close()
        if self.transport is not None and self.transport.get_write_buffer_size():
            self._loop.call_later(IDLE_SECONDS, self.transport.abort)

    def force_close(self) -> None:
        """Close now. aiohttp alone would wait without a limit until the client has read everything."""
        transport = self.transport
        super().force_close()
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to a request that the parser refused (400), or to a fault of ours (500)."""
        self.keep_alive(False)
        owner = cast("Owner | None", self._manager)
        if status == 400:
            if owner is not None:
                owner.on_refusal("malformed")
            return _MALFORMED
        if owner is not None:
            owner.on_fault(exc)
        return _FAILED

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Do nothing: `handle_error` reports faults once."""
