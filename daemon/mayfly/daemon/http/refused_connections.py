"""How a refused connection is closed so that the client still gets its answer.

Closing a socket with unread bytes resets the connection, and the client may never see the last answer. So the bytes
are read for a moment, and thrown away.
"""

from __future__ import annotations

import asyncio

from contextlib import suppress


# The limit for a crowd of refused clients. Beyond it connections are closed without an answer.
AT_ONCE = 32
LAST_SECONDS = 1
LAST_BYTES = 64 * 1024


class RefusedConnections:
    """The connections that have got their last answer, and are still open."""

    def __init__(self) -> None:
        self._closing: set[_Closing] = set()

    def close(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Write `answer` and close the connection; its former protocol gets no further event."""
        if len(self._closing) >= AT_ONCE:
            transport.abort()
            return
        closing = _Closing(transport, self._closing)
        transport.set_protocol(closing)
        transport.write(answer)
        # A client that has already gone has nothing left to shut down.
        with suppress(OSError):
            transport.write_eof()

    def abort(self) -> None:
        """Close all of them now."""
        for closing in self._closing:
            closing.transport.abort()


class _Closing(asyncio.Protocol):
    """Reads and drops bytes until the client closes, or a limit is reached."""

    def __init__(self, transport: asyncio.Transport, others: set[_Closing]) -> None:
        self.transport = transport
        self._others = others
        self._left_bytes = LAST_BYTES
        self._end = asyncio.get_running_loop().call_later(LAST_SECONDS, transport.abort)
        others.add(self)

    def data_received(self, data: bytes) -> None:
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            self.transport.abort()

    def connection_lost(self, _reason: Exception | None) -> None:
        self._end.cancel()
        self._others.discard(self)
