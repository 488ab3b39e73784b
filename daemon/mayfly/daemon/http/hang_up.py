"""Whether the client at the other end of a Unix socket has gone. TCP tells that only after the next write."""

from __future__ import annotations

import select
import socket

from asyncio import Transport


def is_unix(transport: Transport) -> bool:
    """True if the connection came over a Unix socket."""
    return bool(transport.get_extra_info("socket").family == socket.AF_UNIX)


def has_hung_up(transport: Transport) -> bool:
    """True if the other side of a Unix socket is closed as a whole, not only its sending side (poll(2): POLLHUP)."""
    poll = select.poll()
    # macOS reports each direction apart: only POLLOUT tells a closed socket from a half-closed one.
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLOUT)
    return any(events & select.POLLHUP for _, events in poll.poll(0))
