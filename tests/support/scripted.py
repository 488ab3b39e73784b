"""A daemon that tells what a test says: the status that is set, and by `GET /events` that it has changed."""

from __future__ import annotations

import asyncio
import json
import os

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from support.control import response


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class Scripted:
    """The answers. With `hangs`, no request is answered."""

    def __init__(self, status: Any) -> None:
        self.asked = 0
        self.hangs = False
        self._answer = (200, status)
        self._listeners: set[asyncio.StreamWriter] = set()
        self._open: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    def tell(self, status: Any, code: int = 200) -> None:
        """From now on another answer; who listens hears of it."""
        self._answer = (code, status)
        for listener in self._listeners:
            listener.write(b'data: {"event": "session.refreshed"}\n\n')

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        self._open[asyncio.current_task()] = writer
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /events ") and self._answer[0] == 200 and not self.hangs:
                self._listeners.add(writer)
                writer.write(_HEAD)
                await reader.read()
            elif not self.hangs:
                self.asked += head.startswith(b"GET /status ")
                code, status = self._answer
                writer.write(response(code, status if isinstance(status, bytes) else json.dumps(status).encode()))
                await writer.drain()
            else:
                await reader.read()
        writer.close()
        self._listeners.discard(writer)
        del self._open[asyncio.current_task()]

    async def close(self) -> None:
        """Hang up on everybody."""
        for writer in self._open.values():
            writer.close()
        if tasks := [task for task in self._open if task]:
            await asyncio.wait(tasks)


@asynccontextmanager
async def scripted(path: Path, status: Any) -> AsyncIterator[Scripted]:
    """Such a daemon at a control socket."""
    os.makedirs(path.parent, mode=0o700, exist_ok=True)  # noqa: PTH103 - does not block
    told = Scripted(status)
    server = await asyncio.start_unix_server(told.serve, path)
    try:
        yield told
    finally:
        server.close()
        await told.close()
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - does not block
