"""HTTP as bytes, in both directions: for tests of what a request must look like, and of every byte of an answer.

`get` and `asking` make a request (without and with the token) as a template, `filled` puts port and token in, `dial`
and `dial_unix` connect, and a `Line` sends bytes and reads answers one by one, interim ones too. No HTTP library is in
between, so a test sees doubled headers, their order, and how a connection ends. A test that only wants an answer takes
`World.get` instead.
"""

from __future__ import annotations

import asyncio
import json

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple


PATIENCE_SECONDS = 30


class Reply(NamedTuple):
    """One answer: its headers in order, doubled ones and all."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        return dict(self.headers)[name]


def get(target: str = "/credentials/nsrc", *lines: str, line: str = "", host: str = "127.0.0.1:{port}") -> bytes:
    """A GET without a token; `{port}` and the like are filled in later, an empty `host` is none."""
    hosts = [f"Host: {host}"] if host else []
    return "\r\n".join([line or f"GET {target} HTTP/1.1", *hosts, *lines, "", ""]).encode("utf-8", "surrogateescape")


def asking(*lines: str, target: str = "/credentials/nsrc", line: str = "", host: str = "127.0.0.1:{port}") -> bytes:
    """A GET with the right token and further headers."""
    return get(target, "Authorization: {token}", *lines, line=line, host=host)


def filled(template: bytes, **words: str) -> bytes:
    """The template with `{name}` replaced, and nothing else touched."""
    for name, word in words.items():
        template = template.replace(b"{%b}" % name.encode(), word.encode())
    return template


def replies(raw: bytes, *, bodiless: bool = False) -> list[Reply]:
    """Every answer in `raw`, interim ones too; raises ValueError for what is cut off."""
    found = []
    while raw:
        head, end, raw = raw.partition(b"\r\n\r\n")
        if not end:
            raise ValueError("a head is cut off")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        length = 0 if bodiless else int(dict(headers).get("Content-Length", "0"))
        if len(raw) < length:
            raise ValueError("a body is cut off")
        found.append(Reply(int(first.split()[1]), headers, raw[:length]))
        raw = raw[length:]
    return found


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def reply(self) -> Reply:
        """The next answer, interim or not."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            (reply,) = replies(head, bodiless=True)
            length = int(dict(reply.headers).get("Content-Length", "0"))
            return reply._replace(body=await self._reader.readexactly(length))

    async def head(self) -> Reply:
        """The next answer without its body: of HEAD there is none."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            (reply,) = replies(await self._reader.readuntil(b"\r\n\r\n"), bodiless=True)
        return reply

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readexactly(count)

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readuntil(end)

    async def rest(self) -> bytes:
        """All that comes until the other side closes, or cuts."""
        received = bytearray()
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                while block := await self._reader.read(65536):
                    received += block
            except ConnectionResetError:
                pass
        return bytes(received)

    def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def dial(port: int) -> AsyncIterator[Line]:
    """A connection to the endpoint, for as long as the block lasts."""
    line = Line(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield line
    finally:
        line.close()


@asynccontextmanager
async def dial_unix(path: Path) -> AsyncIterator[Line]:
    """A connection to the control socket, for as long as the block lasts."""
    line = Line(*await asyncio.open_unix_connection(str(path)))
    try:
        yield line
    finally:
        line.close()
