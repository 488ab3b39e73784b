"""Answers as bytes: no banner, no charset, and every refusal in the same JSON."""

from __future__ import annotations

import json

from http import HTTPStatus
from typing import Any, Protocol, cast

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter


class Channel(Protocol):
    """The part of a connection that an answer needs."""

    @property
    def is_last(self) -> bool:
        """True if no further request can follow."""

    def write(self, data: bytes) -> None:
        """Send `data`."""

    def note_answer(self) -> None:
        """One more request has been answered."""

    def close(self) -> None:
        """Close once everything is sent."""


class Answer(web.StreamResponse):
    """A whole response as bytes, made once and written any number of times.

    Connections share it, so it remembers nothing of any of them.
    """

    def __init__(self, status: int, body: bytes, *, headers: str = "") -> None:
        super().__init__(status=status)
        self.body = body
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            "Content-Type: application/json\r\n"
            "Cache-Control: no-store\r\n"
            f"Content-Length: {len(body)}\r\n{headers}"
        ).encode()
        self.open = head + b"\r\n" + body
        self.last = head + b"Connection: close\r\n\r\n" + body

    @property
    def keep_alive(self) -> bool | None:
        """Always True: `prepare` closes the connections that must not stay open."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the whole answer."""
        channel = cast(Channel, request.protocol)
        # aiohttp loses the bytes that follow an h2c upgrade offer in the same packet, so the connection ends there.
        stays_open = request.keep_alive and self.status != 400 and hdrs.UPGRADE not in request.headers
        stays_open = stays_open and not channel.is_last
        whole = self.open if stays_open else self.last
        channel.write(whole if request.method != "HEAD" else whole[: len(whole) - len(self.body)])
        channel.note_answer()
        if not stays_open:
            channel.close()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: `prepare` has written everything."""


def json_answer(status: int, tree: Any) -> Answer:
    """An answer whose body is `tree` as JSON."""
    return Answer(status, json.dumps(tree, separators=(",", ":")).encode())


def refusal(status: int, code: str, message: str, *, headers: str = "") -> Answer:
    """An error in the shape that SDKs show: a flat object with `code` and `message`."""
    # What a request, or a path with bytes that are no text, has put into the message may be half a letter.
    body = json.dumps({"code": code, "message": message}, ensure_ascii=False).encode(errors="replace")
    return Answer(status, body, headers=headers)
