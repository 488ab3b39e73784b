"""Whether a connection came about for a call: if none did, nobody has seen what was to be sent.

Errors do not tell: a proxy that hangs up on CONNECT looks like an STS that hangs up on a code. So aiohttp is watched.
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
    """The connection of one call, through a proxy and TLS to its end."""

    def __init__(self) -> None:
        # Where nobody watches, a call counts as sent.
        self.never_stood = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """The block in which the call is made."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


class TracedSession(AIOHTTPSession):
    """aiobotocore's HTTP session, watched: aiobotocore offers no other way to aiohttp's traces."""

    async def _get_session(self, proxy_url: str | None) -> ClientSession:
        session: ClientSession = await super()._get_session(proxy_url)  # type: ignore[misc] # not in its types
        if _trace not in session.trace_configs:
            session.trace_configs.append(_trace)
        return session


async def _begun(*_: Any) -> None:
    _note(never_stood=True)


async def _stands(*_: Any) -> None:
    _note(never_stood=False)


def _note(*, never_stood: bool) -> None:
    connection = _current.get()
    if connection:
        connection.never_stood = never_stood


_trace = TraceConfig()
_trace.on_request_start.append(_begun)
_trace.on_connection_create_end.append(_stands)
_trace.on_connection_reuseconn.append(_stands)
_trace.freeze()
