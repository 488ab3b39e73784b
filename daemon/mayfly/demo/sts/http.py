"""The embedded STS's HTTP: aiohttp's requests in, its responses out."""

import socket
import struct

from datetime import datetime
from email.utils import format_datetime

from aiohttp import web

from mayfly.demo.sts.responses import Response
from mayfly.demo.sts.signature import SignedRequest


async def read(request: web.BaseRequest) -> SignedRequest:
    """Read the whole request, as raw as its signature needs it."""
    return SignedRequest(
        method=request.method,
        target=request.raw_path,
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.raw_headers),
        body=await request.read(),
    )


def http_response(response: Response, now: datetime, *, is_malformed: bool) -> web.Response:
    """Add AWS's headers, dated `now`; `is_malformed` leaves out the second half of the XML."""
    body = response.body[: len(response.body) // 2] if is_malformed else response.body
    answer = web.Response(status=response.status, body=body.encode(), content_type="text/xml")
    answer.headers["x-amzn-RequestId"] = response.request_id
    answer.headers["Date"] = format_datetime(now, usegmt=True)
    return answer


def reset(request: web.BaseRequest) -> None:
    """Cut the request's connection with an RST, as a broken network path does."""
    if request.transport is None:
        return
    # A socket that lingers for zero seconds sends RST when it is closed (socket(7)).
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
