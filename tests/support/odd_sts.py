"""A server in the place of STS that answers with the bytes that a test wants.

`OddSts` is for answers that neither AWS nor the embedded STS would ever give: redirects, floods, malformed credentials.
`signed_answer` and its siblings make answers that are right unless a test changes a part of them.
"""

from __future__ import annotations

import asyncio

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime


ACCOUNT_ID = "058264411872"
XMLNS = "https://sts.amazonaws.com/doc/2011-06-15/"

# Writes an answer to the client; it may go on for ever.
Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]


class OddSts:
    """Listens on loopback. `connections` counts its clients, `requests` has what they sent.

    `sent_bytes` counts what they took of a flood.
    """

    def __init__(self, *answers: bytes | Answering) -> None:
        """The last one of `answers` is given again and again."""
        self._answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []
        self.sent_bytes = 0
        self.url = ""

    @asynccontextmanager
    async def open(self, host: str = "127.0.0.1") -> AsyncIterator[OddSts]:
        """Listen for the block."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            tasks.add(task)
            try:
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    await self._serve(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, host, 0)
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].partition(b":")[2]) if lengths else 0)
        self.requests.append(head + body)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
        else:
            await answer(writer)

    def flood(self, head: bytes, chunk: bytes, at_most_bytes: int = 64 * 1024 * 1024) -> Answering:
        """An answer that begins with `head` and goes on with `chunk`, far longer than any of STS's."""

        async def write(writer: asyncio.StreamWriter) -> None:
            writer.write(head)
            while self.sent_bytes < at_most_bytes:
                writer.write(chunk)
                await writer.drain()
                self.sent_bytes += len(chunk)

        return write


def http(body: str | bytes, status: str = "200 OK", *headers: str, date: datetime | None = None) -> bytes:
    """An answer over HTTP, dated now unless `date` is given."""
    raw = body.encode() if isinstance(body, str) else body
    stated = format_datetime((date or datetime.now(UTC)).astimezone(UTC), usegmt=True)
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", "Content-Type: text/xml", *headers]
    lines += [] if any(line.startswith("Date:") for line in headers) else [f"Date: {stated}"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + raw


def credentials_xml(
    access_key_id: str = "ASIAQ3EGWJLPEXAMPLE1",
    secret_access_key: str = "made-up/secret",
    session_token: str = "made-up-token==",
    expiration: str | None = None,
    life_seconds: float = 3600,
) -> str:
    """The Credentials element; `expiration` None is `life_seconds` from now."""
    stated = expiration
    if stated is None:
        stated = (datetime.now(UTC) + timedelta(seconds=life_seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = {
        "AccessKeyId": access_key_id,
        "SecretAccessKey": secret_access_key,
        "SessionToken": session_token,
        "Expiration": stated,
    }
    return f"<Credentials>{''.join(f'<{name}>{text}</{name}>' for name, text in parts.items())}</Credentials>"


def assumed_xml(arn: str = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/Admin/me") -> str:
    """The AssumedRoleUser element."""
    return f"<AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:me</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser>"


def answer_xml(operation: str, content: str, prolog: str = "") -> str:
    """The document of an answer to `operation` with this content."""
    return (
        f'{prolog}<{operation}Response xmlns="{XMLNS}"><{operation}Result>{content}</{operation}Result>'
        f"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{operation}Response>"
    )


def identity_xml(
    account: str = ACCOUNT_ID, arn: str = f"arn:aws:iam::{ACCOUNT_ID}:user/me", user_id: str = "AIDA1"
) -> str:
    """The content of an answer to GetCallerIdentity."""
    return f"<Arn>{arn}</Arn><UserId>{user_id}</UserId><Account>{account}</Account>"
