"""The endpoint's bare protocol, as an SDK speaks it: for the demo, which measures it."""

from __future__ import annotations

import asyncio
import time

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit


class Fetched(NamedTuple):
    """An answer's body, and how long it took from before the connection was made."""

    body: bytes
    seconds: float


async def fetch(terminal: Mapping[str, str]) -> Fetched:
    """GET what the environment `terminal` names; raises OSError for any other answer than 200."""
    url = urlsplit(terminal["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        token = terminal["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        lines = (f"GET {url.path} HTTP/1.0", f"Host: {url.netloc}", f"Authorization: {token}", "", "")
        writer.write("\r\n".join(lines).encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    if head.split()[1:2] != [b"200"]:
        raise OSError(f"the endpoint answered {body.decode(errors='replace')}")
    return Fetched(body, time.perf_counter() - began)
