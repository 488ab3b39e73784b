"""Whether a connection was made for a call: if not, nobody has seen the request.

Exceptions do not tell: a proxy that hangs up on CONNECT looks like an STS that hangs up on a code. So we trace aiohttp.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aiohttp import ClientSession, TraceConfig


_current: ContextVar[Connection | None] = ContextVar("connection", default=None)


class Connection:
    """The connection of one call, through a proxy and TLS to STS.

    `was_made` and `was_never_made` are both False for a call that has not begun or is not traced.
    """

    def __init__(self) -> None:
        self.was_made = False
        self.was_never_made = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """The block in which the call is made."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


def trace(session: ClientSession) -> None:
    """Have the session's calls note in their Connection whether one was made."""
    if _trace not in session.trace_configs:
        session.trace_configs.append(_trace)


async def _on_request_start(*_: Any) -> None:
    _note(was_made=False)


async def _on_connection(*_: Any) -> None:
    _note(was_made=True)


def _note(*, was_made: bool) -> None:
    connection = _current.get()
    if connection:
        connection.was_made = was_made
        connection.was_never_made = not was_made


_trace = TraceConfig()
_trace.on_request_start.append(_on_request_start)
_trace.on_connection_create_end.append(_on_connection)
_trace.on_connection_reuseconn.append(_on_connection)
_trace.freeze()
