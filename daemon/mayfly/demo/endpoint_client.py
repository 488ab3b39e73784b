"""A minimal client of the credentials endpoint, which measures the time of an answer."""

from __future__ import annotations

import asyncio
import time

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit


# A connection that is closed before the daemon has looked for its process is named by this.
AGENT = "User-Agent: mayfly-demo"


class Fetched(NamedTuple):
    """The body of an answer, and its time in seconds, including the connection's."""

    body: bytes
    seconds: float


async def fetch(environment: Mapping[str, str]) -> Fetched:
    """GET the credentials that `environment` points to. Raises OSError if the status is not 200."""
    url = urlsplit(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        lines = (f"GET {url.path} HTTP/1.0", f"Host: {url.netloc}", f"Authorization: {token}", AGENT, "", "")
        writer.write("\r\n".join(lines).encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    if head.split()[1:2] != [b"200"]:
        raise OSError(f"the endpoint answered {body.decode(errors='replace')}")
    return Fetched(body, time.perf_counter() - began)
