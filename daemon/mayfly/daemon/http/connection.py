"""One client's connection on aiohttp's protocol, limited in what the client may send and leave unread.

The parser's own refusals are answered by the protocol, not by a handler, so the protocol is replaced here.
"""

from __future__ import annotations

import select

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from mayfly.daemon.admission import Peer
from mayfly.daemon.http.answer import Answer, refusal
from mayfly.daemon.http.eviction import Stage
from mayfly.daemon.http.hang_up import has_hung_up, is_unix
from mayfly.daemon.http.head import END_OF_HEAD, READ_BYTES, OpenHead, RefusingParser
from mayfly.daemon.http.refused_connections import RefusedConnections


# The limit from the connection to the end of the first request's headers, from one answer to the end of the next
# request's headers, and for the client to take the last answer.
IDLE_SECONDS = 5
# A client that leaves more than this unread, beyond the kernel's buffers, gets no further answer.
UNREAD_BYTES = 16 * 1024
# The time between two checks whether a client that has shut down its sending side has gone.
LOOK_SECONDS = 0.2

_MALFORMED = refusal(400, "BadRequest", "this is no HTTP request that mayfly understands")
FOREIGN = refusal(
    403,
    "ForeignUser",
    "mayfly answers only processes of its own user, and root's with allow_root = true in its config",
)
CROWDED = refusal(
    503, "Crowded", "there are too many connections to the control socket: this one made room for another; try again"
)
_FAILED = refusal(500, "InternalError", "mayfly failed: look at its log")


class Owner(Protocol):
    """The server of a connection, as far as the connection needs it."""

    refused_connections: RefusedConnections

    def on_refusal(self, cause: str) -> None:
        """A connection or request was refused."""

    def on_fault(self, fault: BaseException | None) -> None:
        """A handler failed."""


class Connection(RequestHandler):
    """One client's connection; `peer` is the process at the other end."""

    __slots__ = (
        "_head",
        "_idle_since",
        "_open_head",
        "_repeat",
        "answered",
        "awaits",
        "awaits_body",
        "has_hung_up",
        "is_stream",
        "peer",
        "pid",
        "was_turned_away",
    )

    def __init__(self, *args: Any, peer: Peer, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.peer = peer
        self.pid = peer.pid
        self.answered = 0
        self.has_hung_up = False
        self.awaits_body = False
        self.awaits = ""
        self._idle_since = self._loop.time()
        self.is_stream = False
        self.was_turned_away = False
        self._open_head = OpenHead()
        self._head = b""
        self._repeat: Callable[[], Answer | None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Set the limits of reads and unread answers."""
        transport.max_size = READ_BYTES
        transport.set_write_buffer_limits(UNREAD_BYTES)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read bytes from the client. Refuse a request whose head exceeds `HEAD_BYTES`, and all that follows."""
        if self._close or self._force_close or isinstance(self._parser, RefusingParser):
            return
        is_between = self._is_between_requests
        if is_between and self._repeat and data == self._head and self._answer_again(self._repeat):
            return
        self._repeat, self._head = None, b""
        if self._open_head.is_too_long(data):
            self._refuse_head()
            return
        before = self._request_count
        super().data_received(data)
        is_one_request = is_between and data.find(END_OF_HEAD) == len(data) - len(END_OF_HEAD)
        if is_one_request and self._request_count == before + 1:
            self._head = data

    def allow_repeat(self, repeat: Callable[[], Answer | None]) -> None:
        """Answer with `repeat()` as long as the client sends the same bytes as the request that is handled now.

        Those bytes are parsed and checked once. `repeat` judges all that can change between two requests, and returns
        None if the request must be handled anew. Only a request that came alone, as one read, can be repeated.
        """
        self._repeat = repeat

    @property
    def _is_between_requests(self) -> bool:
        """True if every request is answered, no byte of the next is there, and the handler waits for it."""
        waiter = self._waiter
        return (
            waiter is not None
            and not waiter.done()
            and self.answered == self._request_count
            and not (self._open_head.bytes or self._messages or self._upgraded or self._message_tail)
        )

    def _answer_again(self, repeat: Callable[[], Answer | None]) -> bool:
        """Write the answer to a repeated request; False if the request must be handled."""
        answer = repeat()
        if answer is None or not self.is_open:
            return False
        self._request_count += 1
        with suppress(ConnectionResetError):
            self.write(answer.open)
        self.note_answer()
        # As aiohttp does after each request.
        self._next_keepalive_close_time = self._idle_since + IDLE_SECONDS
        return True

    def _refuse_head(self) -> None:
        """Refuse the connection: at once if no answer is due, otherwise as the next answer."""
        if self.is_idle:
            self._refuse()
        else:
            self._parser = cast(Any, RefusingParser())
            super().data_received(b"-")

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
        """True if no request is complete and unanswered, or the connection is about to close."""
        return self.answered == self._request_count or self.awaits_body or self._close or self._force_close

    @property
    def seconds(self) -> float:
        """Seconds since the connection was made, or since its last answer."""
        return self._loop.time() - self._idle_since

    @property
    def stage(self) -> Stage:
        """The stage of the connection now."""
        if self.is_stream:
            return Stage.STREAMS
        if self.awaits:
            return Stage.WAITS
        due = self._request_count - self.answered
        # No SDK sends a request before it has the answer to the last one.
        if due > 1 or (self.transport is not None and self.transport.get_write_buffer_size()):
            return Stage.PILES_UP
        if not self.is_idle:
            return Stage.IS_BUSY
        is_between = self.answered and not self._open_head.bytes and not self.awaits_body
        return Stage.RESTS if is_between or self._close or self._force_close else Stage.ARRIVES

    @property
    def has_sent(self) -> bool:
        """True if a client that owes a request has sent bytes that have not been read yet.

        On a busy machine the time for a request may pass before we have looked.
        """
        transport = self.transport
        if transport is None or not self.is_open or self.stage not in (Stage.ARRIVES, Stage.RESTS):
            return False
        poll = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    @contextmanager
    def awaiting(self, profile: str) -> Iterator[None]:
        """The request waits for credentials of `profile` in the block."""
        self.awaits = profile
        try:
            yield
        finally:
            self.awaits = ""

    def turn_away(self) -> None:
        """Close now, to make room. A command that waits gets an answer first, if that can be sent without waiting."""
        self.was_turned_away = True
        transport = self.transport
        if transport is not None:
            if self.awaits and self.is_open:
                transport.write(CROWDED.last)
            transport.abort()

    def note_answer(self) -> None:
        """One more request has been answered."""
        self.answered += 1
        self._idle_since = self._loop.time()

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
        if self.is_idle:
            return False
        self._watch()
        return self.is_open

    def _watch(self) -> None:
        """Abort once the client of a Unix socket has gone: asyncio reads no more. TCP tells it after the next write."""
        transport = self.transport
        if transport is None or not self.is_open or not is_unix(transport):
            return
        if has_hung_up(transport):
            transport.abort()
        else:
            self._loop.call_later(LOOK_SECONDS, self._watch)

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
