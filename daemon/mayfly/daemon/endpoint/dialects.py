"""How to keep a client alive while a human looks for the fingerprint reader.

SDKs give up after 1 to 9 seconds of silence, each in its own way (measured): an interim `100 Continue` resets the
clock of most; C++ counts only bytes
of a 200 that has begun; Go drops a request after five interim answers and has no limit of its own, so it gets nothing
but patience.
"""

from __future__ import annotations

from enum import Enum

from aiohttp import HttpVersion11


# Clients with a limit of one second get their first sign well within it, also where the machine is busy.
FIRST_BYTE_SECONDS = 0.5
EVERY_SECONDS = 0.7
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


class Dialect(Enum):
    """What a client takes for a sign of life."""

    INTERIM = "100 Continue"
    WHITE_SPACE = "white space before the JSON"
    SILENCE = "nothing"


_SILENT = ("aws-sdk-go", "Go-http-client/", "rclone/", "okhttp/", "aws-sdk-kotlin/")


def dialect_of(user_agent: str, version: object) -> Dialect:
    """The dialect of a client by its User-Agent and HTTP version."""
    if version != HttpVersion11 or user_agent.startswith(_SILENT):
        return Dialect.SILENCE
    return Dialect.WHITE_SPACE if user_agent.startswith("aws-sdk-cpp/") else Dialect.INTERIM
