"""The body of a request: small, and there in time."""

from __future__ import annotations

import asyncio

from typing import cast

from aiohttp import web

from mayfly.daemon.http.connection import IDLE_SECONDS, Connection


BODY_BYTES = 1024


class BodyInvalid(Exception):
    """The body of a request is too long, late, malformed, or not what the route takes."""


async def read_body(request: web.BaseRequest, limit_bytes: int = BODY_BYTES) -> bytes:
    """The whole body; raises BodyInvalid if it is longer than the limit, or does not end within `IDLE_SECONDS`."""
    connection, body = cast(Connection, request.protocol), bytearray()
    connection.awaits_body = True
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            while block := await request.content.readany():
                body += block
                if len(body) > limit_bytes:
                    raise BodyInvalid
    except (TimeoutError, web.RequestPayloadError):
        raise BodyInvalid from None
    finally:
        connection.awaits_body = False
    return bytes(body)
