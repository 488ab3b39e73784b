"""aiobotocore's HTTP session, except that it follows no redirect, and limits the size of an answer.

aiohttp follows redirects by default: a 307 or 308 would send the code to another host, perhaps without TLS. And it
reads an answer of any size into memory. The size is counted as it comes over the network: aiobotocore asks for no
encoding, and unpacks none.
"""

from __future__ import annotations

from ssl import SSLContext
from typing import Any

from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientResponse, ClientSession

from mayfly.exchange.sts.answers import MAX_ANSWER_BYTES, UnusableAnswer
from mayfly.exchange.sts.connection import trace


_contexts: dict[str | bool, SSLContext] = {}


class StsHttpSession(AIOHTTPSession):
    """The session for clients of STS. Its errors reach the caller as botocore's; see `problem_in`.

    All sessions of this process with the same file of certificates share what was read from it.
    """

    def __init__(self, verify: Any = True, **options: Any) -> None:
        super().__init__(verify=verify, **options)
        self._certificates = verify

    def read_certificates(self) -> None:
        """Read the file now, which takes 30 ms: later a code would wait for it."""
        # An aiobotocore without this method reads them when it connects.
        if hasattr(AIOHTTPSession, "_build_verify_context"):
            self._build_verify_context()

    def _build_verify_context(self) -> SSLContext:
        if self._certificates not in _contexts:
            _contexts[self._certificates] = super()._build_verify_context()  # type: ignore[misc] # not in its types
        return _contexts[self._certificates]

    async def _get_session(self, proxy_url: str | None) -> _CarefulSession:
        session: ClientSession = await super()._get_session(proxy_url)  # type: ignore[misc] # not in its types
        trace(session)
        return _CarefulSession(session)


class _CarefulSession:
    """The part of aiohttp's session that aiobotocore calls."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def request(self, method: str, **options: Any) -> _Response:
        """Send a request; raises UnusableAnswer."""
        async with self._session.request(method, **options, allow_redirects=False) as response:
            if 300 <= response.status < 400:
                raise UnusableAnswer(f"it redirects (HTTP {response.status})")
            if response.status < 300 and response.status != 200:
                raise UnusableAnswer(f"HTTP {response.status}")
            return _Response(response, await _bounded_body(response))


class _Response:
    """The part of aiohttp's response that aiobotocore reads."""

    def __init__(self, response: ClientResponse, body: bytes) -> None:
        self.url = response.url
        self.status = response.status
        self.raw_headers = response.raw_headers
        self._body = body

    async def read(self) -> bytes:
        return self._body


async def _bounded_body(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            response.close()
            raise UnusableAnswer(f"it is longer than {MAX_ANSWER_BYTES // 1024} kB")
    return bytes(body)


def problem_in(error: object) -> str | None:
    """The text of the UnusableAnswer in one of botocore's exceptions, if that is why it was raised."""
    cause = getattr(error, "kwargs", {}).get("error")
    return str(cause) if isinstance(cause, UnusableAnswer) else None
