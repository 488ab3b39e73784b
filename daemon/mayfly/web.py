"""aiohttp's low-level server, as both HTTP faces need it: no banner, no router, and every refusal in the same JSON.

What the parser itself refuses is answered by the protocol, not by a handler: so that is replaced here, too.
"""

from __future__ import annotations

import json
import logging

from asyncio import Transport
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler

from mayfly.peer import Peer


Handler = Callable[[web.BaseRequest], Awaitable["Answer"]]

# Parser warnings quote what a client sent, and what it sent may be a token.
_silent = logging.getLogger("mayfly.web.silent")
_silent.disabled = True

FIELD_BYTES = 8 * 1024
HEADERS = 128
BETWEEN_REQUESTS_SECONDS = 75


class Answer(web.StreamResponse):
    """A whole response as bytes, made once and written as often as it is asked for."""

    def __init__(self, status: int, body: bytes, *, headers: str = "", head_only: bool = False) -> None:
        super().__init__(status=status)
        self.body = body
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            "Content-Type: application/json\r\n"
            "Cache-Control: no-store\r\n"
            f"Content-Length: {len(body)}\r\n{headers}"
        ).encode()
        rest = b"" if head_only else body
        self._open = head + b"\r\n" + rest
        self._last = head + b"Connection: close\r\n\r\n" + rest
        self._keeps_open = True

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open after this answer."""
        return self._keeps_open

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write everything at once."""
        self._keeps_open = request.keep_alive and self.status != 400
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        transport.write(self._open if self._keeps_open else self._last)
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


class Connection(RequestHandler):
    """One client's connection; `server.admit` decides about it before a byte is read, and finds its `peer`."""

    __slots__ = ("peer",)

    peer: Peer | None

    def connection_made(self, transport: Any) -> None:
        """Turn away at once whom the server does not admit."""
        server = cast("Server", self._manager)
        self.peer = server.admit(transport)
        if self.peer is None:
            transport.abort()
            self._manager = None
            return
        super().connection_made(transport)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what the parser refused (400), or to a fault of ours (500)."""
        self.keep_alive(False)
        if status == 400:
            return refusal(400, "BadRequest", "this is no HTTP request that mayfly understands")
        server = cast("Server | None", self._manager)
        if server is not None:
            server.on_fault(exc)
        return refusal(500, "InternalError", "mayfly failed: look at its log")

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Faults are told once, by `handle_error`."""


class Server(web.Server):
    """A server whose connections are ours.

    `admit` tells at accept who is at the other end, or None to turn them away; `on_fault` hears of our own faults.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        admit: Callable[[Transport], Peer | None],
        on_fault: Callable[[BaseException | None], None],
    ) -> None:
        super().__init__(cast(Any, handler), handler_cancellation=True)
        self.admit = admit
        self.on_fault = on_fault

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
            keepalive_timeout=BETWEEN_REQUESTS_SECONDS,
            lingering_time=0,
            tcp_keepalive=False,
        )
