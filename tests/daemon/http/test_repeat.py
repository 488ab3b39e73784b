"""A request that a connection repeats: which bytes count as the same, and who judges it."""

from __future__ import annotations

import asyncio

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from aiohttp import web

from mayfly.daemon.http.answer import Answer
from mayfly.daemon.http.connection import Connection
from support.raw import Line, dial, get
from support.server import serving


HANDLED, REPEATED = Answer(200, b"handled"), Answer(200, b"repeated")
ONE = get("/one", host="here")
OTHER = get("/two", host="here")


class Repeating:
    """A handler that allows repeats as long as `repeated` is not None; `targets` are the requests that it handled."""

    def __init__(self) -> None:
        self.repeated: Answer | None = REPEATED
        self.targets: list[str] = []

    async def handle(self, request: web.BaseRequest) -> Answer:
        self.targets.append(request.path)
        cast(Connection, request.protocol).allow_repeat(lambda: self.repeated)
        return HANDLED


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[Line, Repeating]]:
    handler = Repeating()
    async with serving(handler.handle) as (port, _told), dial(port) as line:
        yield line, handler


async def _answers(line: Line, *requests: bytes) -> list[bytes]:
    bodies = []
    for request in requests:
        line.send(request)
        bodies.append((await line.reply()).body)
        # The handler's task goes back to waiting for a request after its answer is out.
        await asyncio.sleep(0)
    return bodies


async def test_the_same_bytes_are_not_handled_again() -> None:
    """The second and third time, the answer is the one that `repeat` returns."""
    async with _connected() as (line, handler):
        assert [b"handled", b"repeated", b"repeated"] == await _answers(line, ONE, ONE, ONE)
    assert ["/one"] == handler.targets


async def test_repeat_may_decline() -> None:
    """Where `repeat` returns None, the request is handled as a whole."""
    async with _connected() as (line, handler):
        await _answers(line, ONE)
        handler.repeated = None
        assert [b"handled"] == await _answers(line, ONE)
    assert ["/one", "/one"] == handler.targets


@pytest.mark.parametrize(
    "other",
    [
        OTHER,
        ONE.replace(b"/one", b"/One"),
        ONE.replace(b"Host: here", b"host: here"),
        ONE.replace(b"\r\n\r\n", b"\r\nX: 1\r\n\r\n"),
        ONE.replace(b"GET", b"HEAD"),
        b"\r\n" + ONE,
    ],
)
async def test_any_other_bytes_are_handled(other: bytes) -> None:
    """One byte of difference is another request, and then even the first request is handled anew."""
    async with _connected() as (line, handler):
        await _answers(line, ONE)
        line.send(other)
        await (line.head() if other.startswith(b"HEAD") else line.reply())
        assert [b"handled"] == await _answers(line, ONE)
    assert 3 == len(handler.targets)


async def test_only_a_request_that_came_alone_is_repeated() -> None:
    """Of pipelined requests, or of bytes that hold more than one request, none is remembered."""
    async with _connected() as (line, handler):
        for _ in range(2):
            line.send(ONE + ONE)
            assert [b"handled"] * 2 == [(await line.reply()).body for _ in range(2)]
    assert ["/one"] * 4 == handler.targets


@pytest.mark.parametrize("begun", [b"G", b"GET /two H", b"GET /two HTTP/1.1\r\nHost: here\r\nX-Folded: "])
async def test_bytes_within_another_request_are_no_repeat(begun: bytes) -> None:
    """After the beginning of a request, the bytes of the last one belong to it."""
    async with _connected() as (line, _):
        await _answers(line, ONE)
        line.send(begun)
        await asyncio.sleep(0.05)
        line.send(ONE)
        assert b"repeated" != (await line.reply()).body


async def test_a_request_with_a_body_hides_no_request() -> None:
    """Bytes that a body consists of are no request, even if they are the last request's."""
    with_body = get("/two", f"Content-Length: {len(ONE)}", line="POST /two HTTP/1.1", host="here")
    async with _connected() as (line, handler):
        await _answers(line, ONE)
        line.send(with_body)
        assert b"handled" == (await line.reply()).body
        line.send(ONE)
        rest = await line.rest()
    assert b"repeated" not in rest
    assert ["/one", "/two"] == handler.targets
