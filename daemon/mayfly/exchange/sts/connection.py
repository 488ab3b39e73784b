"""Whether a connection was made for a call: if not, nobody has seen the request.

Exceptions do not tell: a proxy that hangs up on CONNECT looks like an STS that hangs up on a code. So we trace aiohttp.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientSession, TraceConfig


_current: ContextVar[Connection | None] = ContextVar("connection", default=None)


class Connection:
    """The connection of one call, through a proxy and TLS to STS."""

    def __init__(self) -> None:
        # A call that is not traced counts as sent.
        self.was_never_made = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """The block in which the call is made."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


class TracedSession(AIOHTTPSession):
    """aiobotocore's HTTP session with a trace of aiohttp's; aiobotocore offers no other way to add one."""

    async def _get_session(self, proxy_url: str | None) -> ClientSession:
        session: ClientSession = await super()._get_session(proxy_url)  # type: ignore[misc] # not in its types
        if _trace not in session.trace_configs:
            session.trace_configs.append(_trace)
        return session


async def _on_request_start(*_: Any) -> None:
    _note(was_never_made=True)


async def _on_connection(*_: Any) -> None:
    _note(was_never_made=False)


def _note(*, was_never_made: bool) -> None:
    connection = _current.get()
    if connection:
        connection.was_never_made = was_never_made


_trace = TraceConfig()
_trace.on_request_start.append(_on_request_start)
_trace.on_connection_create_end.append(_on_connection)
_trace.on_connection_reuseconn.append(_on_connection)
_trace.freeze()
