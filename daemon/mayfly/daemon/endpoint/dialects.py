"""How to keep a client waiting while a human looks for the fingerprint reader.

SDKs give up after 1 to 9 seconds of silence (measured). An interim `100 Continue` resets the timer of most. Two kinds
need another dialect:

- C++ counts only bytes of a 200 that has begun, and gives up below a byte a second.
- Go before 1.24 drops a request after five interim answers. Go has no time limit of its own, so it gets nothing until
  the answer is there. Tools put names of their own in front (Terraform's begins with `APN/`), so Go is also recognised
  by `Accept-Encoding: gzip`: its transport adds exactly this unless compression is off. Of the other SDKs only those
  on OkHttp add it, and OkHttp needs silence, too. (Node and aiohttp send `gzip, deflate`, urllib and urllib3
  `identity`; curl and Java send none.)
"""

from __future__ import annotations

from enum import Enum

from aiohttp import HttpVersion11, hdrs
from multidict import CIMultiDictProxy


# A client with a limit of one second gets its first bytes well within it, on a busy machine too.
FIRST_BYTE_SECONDS = 0.5
EVERY_SECONDS = 0.7
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
# C++ counts the bytes of each second. The first sign comes early, so that no second passes without a byte.
FIRST_SPACES_SECONDS = 0.3
SPACES = 64


class Dialect(Enum):
    """The bytes that keep a client waiting."""

    INTERIM = "100 Continue"
    WHITE_SPACE = "white space before the JSON"
    SILENCE = "nothing"


_WHITE_SPACE = ("aws-sdk-cpp/",)
# Go with compression off sends no Accept-Encoding; then a name is all there is. A tool puts its own before the SDK's.
_SILENT = ("aws-sdk-go", "Go-http-client/", "okhttp/", "aws-sdk-kotlin/")
_SILENT_AT_FIRST = ("APN/", "rclone/")
_GO_ENCODINGS = ["gzip"]


def dialect_of(headers: CIMultiDictProxy[str], version: object) -> Dialect:
    """The dialect of a client by its `User-Agent`, its `Accept-Encoding` and its HTTP version."""
    agent = headers.get(hdrs.USER_AGENT, "")
    products = agent.split()
    if version != HttpVersion11:
        return Dialect.SILENCE
    if any(product.startswith(_WHITE_SPACE) for product in products):
        return Dialect.WHITE_SPACE
    is_silent = agent.startswith(_SILENT_AT_FIRST) or any(product.startswith(_SILENT) for product in products)
    return (
        Dialect.SILENCE if is_silent or headers.getall(hdrs.ACCEPT_ENCODING, ()) == _GO_ENCODINGS else Dialect.INTERIM
    )
