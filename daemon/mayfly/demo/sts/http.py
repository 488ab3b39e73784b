"""The embedded STS's side of the wire: aiohttp's requests in, its responses out."""

import socket
import struct

from datetime import datetime
from email.utils import format_datetime

from aiohttp import web

from mayfly.demo.sts.context import Reply
from mayfly.demo.sts.signature import SignedRequest


async def read(request: web.BaseRequest) -> SignedRequest:
    """Take in the whole request, as raw as its signature needs it."""
    return SignedRequest(
        method=request.method,
        target=request.raw_path,
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.raw_headers),
        body=await request.read(),
    )


def response(reply: Reply, now: datetime, *, broken: bool) -> web.Response:
    """Dress `reply` as AWS does, dated `now`; `broken` leaves out the second half of its XML."""
    body = reply.body[: len(reply.body) // 2] if broken else reply.body
    dressed = web.Response(status=reply.status, body=body.encode(), content_type="text/xml")
    dressed.headers["x-amzn-RequestId"] = reply.request_id
    dressed.headers["Date"] = format_datetime(now, usegmt=True)
    return dressed


def cut(request: web.BaseRequest) -> None:
    """Cut the request's connection with an RST: what a broken path looks like."""
    if request.transport is None:
        return
    # Lingering for zero seconds is how a socket is told to send RST (socket(7)).
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
