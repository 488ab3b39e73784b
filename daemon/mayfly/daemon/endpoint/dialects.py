"""How to keep a client waiting while a human looks for the fingerprint reader.

SDKs give up after 1 to 9 seconds of silence (measured). An interim `100 Continue` resets the timer of most. C++ counts
only bytes of a 200 that has begun. Go drops a request after five interim answers, and has no time limit of its own, so
it gets nothing until the answer is there.
"""

from __future__ import annotations

from enum import Enum

from aiohttp import HttpVersion11


# A client with a limit of one second gets its first bytes well within it, on a busy machine too.
FIRST_BYTE_SECONDS = 0.5
EVERY_SECONDS = 0.7
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


class Dialect(Enum):
    """The bytes that keep a client waiting."""

    INTERIM = "100 Continue"
    WHITE_SPACE = "white space before the JSON"
    SILENCE = "nothing"


_SILENT = ("aws-sdk-go", "Go-http-client/", "rclone/", "okhttp/", "aws-sdk-kotlin/")


def dialect_of(user_agent: str, version: object) -> Dialect:
    """The dialect of a client by its User-Agent and HTTP version."""
    if version != HttpVersion11 or user_agent.startswith(_SILENT):
        return Dialect.SILENCE
    return Dialect.WHITE_SPACE if user_agent.startswith("aws-sdk-cpp/") else Dialect.INTERIM
