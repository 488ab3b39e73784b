"""Closes a refused connection so that the client still gets its answer.

Closing a socket with unread bytes resets the connection, and the client may never see the last answer. So the bytes
are read for a moment, and thrown away.
"""

from __future__ import annotations

import asyncio

from contextlib import suppress
from typing import cast


# The limit for a crowd of refused clients. Beyond it connections are closed without an answer.
AT_ONCE = 16
LAST_SECONDS = 1
LAST_BYTES = 64 * 1024


class RefusedConnections:
    """The connections that have got their last answer, and are still open."""

    def __init__(self) -> None:
        self._closing: set[_Closing] = set()

    @property
    def has_room(self) -> bool:
        """True if one more client can get an answer now."""
        return len(self._closing) < AT_ONCE

    def protocol(self, answer: bytes) -> asyncio.Protocol:
        """The protocol of a new connection that gets nothing but `answer`."""
        return _Closing(answer, self._closing)

    def close(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Write `answer` and close the connection; its former protocol gets no further event."""
        if not self.has_room:
            transport.abort()
            return
        closing = _Closing(answer, self._closing)
        transport.set_protocol(closing)
        closing.connection_made(transport)

    def abort(self) -> None:
        """Close all of them now."""
        for closing in self._closing:
            closing.abort()


class _Closing(asyncio.Protocol):
    """Writes an answer, then reads and drops bytes until the client closes, or a limit is reached."""

    def __init__(self, answer: bytes, others: set[_Closing]) -> None:
        self._answer = answer
        self._others = others
        self._left_bytes = LAST_BYTES
        self._transport: asyncio.Transport | None = None
        self._end: asyncio.TimerHandle | None = None
        others.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._end = asyncio.get_running_loop().call_later(LAST_SECONDS, self._transport.abort)
        self._transport.write(self._answer)
        # A client that has already gone has nothing left to shut down.
        with suppress(OSError):
            self._transport.write_eof()

    def data_received(self, data: bytes) -> None:
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            self.abort()

    def connection_lost(self, _reason: Exception | None) -> None:
        if self._end:
            self._end.cancel()
        self._others.discard(self)

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()
