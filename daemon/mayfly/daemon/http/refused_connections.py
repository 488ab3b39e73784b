"""The last word to a client that is turned away.

Where bytes of a client's lie unread, closing resets the connection, and what was written last may never arrive. So they
are read for a moment, and looked at by nobody.
"""

from __future__ import annotations

import asyncio

from contextlib import suppress


# A crowd that is turned away costs no more than this: beyond it connections are cut without a word.
AT_ONCE = 32
LAST_SECONDS = 1
LAST_BYTES = 64 * 1024


class RefusedConnections:
    """The connections that have been told their last word, and are still open."""

    def __init__(self) -> None:
        self._leaving: set[_RefusedConnection] = set()

    def say(self, transport: asyncio.Transport, word: bytes) -> None:
        """Write `word`, and have done with the connection; its former protocol hears no more of it."""
        if len(self._leaving) >= AT_ONCE:
            transport.abort()
            return
        leaving = _RefusedConnection(transport, self._leaving)
        transport.set_protocol(leaving)
        transport.write(word)
        # Where the client has gone already there is nothing to shut.
        with suppress(OSError):
            transport.write_eof()

    def cut(self) -> None:
        """End all of them now."""
        for leaving in self._leaving:
            leaving.transport.abort()


class _RefusedConnection(asyncio.Protocol):
    """Overlooks what still comes, for a while."""

    def __init__(self, transport: asyncio.Transport, others: set[_RefusedConnection]) -> None:
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
