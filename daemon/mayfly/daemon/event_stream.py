"""`GET /events`: the daemon's events as server-sent events."""

from __future__ import annotations

import json

from typing import cast

from aiohttp import web

from mayfly.daemon.events import Events
from mayfly.daemon.http.answer import Answer
from mayfly.daemon.http.connection import Connection


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n"


class EventStream(Answer):
    """Server-sent events, until the client closes or the daemon ends."""

    def __init__(self, events: Events) -> None:
        super().__init__(200, b"")
        self._events = events

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write each event as it comes."""
        connection = cast(Connection, request.protocol)
        connection.is_stream = True
        connection.write(_STREAM_HEAD)
        async for event in self._events.listen():
            connection.write(b"data: " + json.dumps(event, default=str).encode() + b"\n\n")
            # A client that reads too slowly loses events. Nothing more is written until it has read the last one.
            await request.writer.drain()
        raise ConnectionResetError("the stream has ended")
