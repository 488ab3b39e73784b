"""One call of STS: it ends in time, and it is known whether the request may have been seen."""

from __future__ import annotations

import asyncio
import logging
import ssl

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from mayfly.exchange.sts import client as sts
from mayfly.exchange.sts import http_session
from mayfly.exchange.sts.client import Keys, Sts
from mayfly.exchange.sts.location import StsLocation
from mayfly.shared.errors import AwsError, AwsFailed, AwsUnreachable
from support.odd_sts import OddSts, http
from support.stage import TestLoop
from support.world import free_port


KEYS = Keys(access_key_id="AKIAEXAMPLE000000001", secret_access_key="made-up")
TWO = StsLocation(region="eu-central-1", fallback_regions=("eu-west-1",))
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOSTS = ["sts.eu-central-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"]


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The exchange turns off all logging; here it runs in the tests' own process."""
    yield
    logging.disable(logging.NOTSET)


def _sts() -> Sts:
    return Sts(lambda: datetime.now(UTC))


async def _error(caller: Sts, where: StsLocation) -> AwsError:
    with pytest.raises(AwsError) as raised:
        await caller.call(where, KEYS, "get_session_token", SerialNumber="serial", TokenCode="123456")
    return raised.value


async def test_the_certificates_are_read_before_there_is_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them takes longer than a call, so it is done while `op` runs, once for all clients of the exchange."""
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(http_session, "_contexts", {})
    read: list[str] = []
    load = ssl.SSLContext.load_verify_locations

    def note(self: ssl.SSLContext, *files: str) -> None:
        read.append("certificates")
        load(self, *files)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", note)
    where = StsLocation(region="eu-central-1", endpoint_url=f"https://127.0.0.1:{free_port()}")
    caller = _sts()
    await caller.warm_up(where)
    assert ["certificates"] == read

    monkeypatch.setattr(sts, "MAX_TRIES", 1)
    async with caller:
        assert isinstance(await _error(caller, where), AwsUnreachable)
    assert ["certificates"] == read


@asynccontextmanager
async def _server(serve: Serve, port: int) -> AsyncIterator[None]:
    """A server on `port`, for the block."""
    tasks: list[asyncio.Task[None]] = []

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.append(task)
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_server(attend, "127.0.0.1", port):
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n")
    while True:
        writer.write(b" ")
        await asyncio.sleep(3)


@pytest.mark.parametrize("serve", [_silence, _trickle])
def test_a_call_ends_in_time(serve: Serve) -> None:
    """A call is given up after 40 seconds, however slowly an answer comes. Its code may have been seen."""
    port = free_port()

    async def play() -> AwsError:
        async with _server(serve, port), _sts() as caller:
            return await _error(caller, StsLocation(region="eu-central-1", endpoint_url=f"http://127.0.0.1:{port}"))

    with asyncio.Runner(loop_factory=TestLoop) as runner:
        error = runner.run(play())
        took_seconds = runner.get_loop().time()

    assert isinstance(error, AwsFailed)
    assert took_seconds < sts.CALL_SECONDS + 4


async def test_behind_a_proxy_that_makes_no_connection_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a proxy hangs up on CONNECT, or stays silent, the next region is called, and the call ends in time."""
    port, is_silent = free_port(), False
    hosts: list[str] = []

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        hosts.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode().removesuffix(":443"))
        if is_silent:
            await reader.read()

    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(sts, "RETRY_SECONDS", 0)
    async with _server(serve, port), _sts() as caller:
        errors = [await _error(caller, TWO)]
        # By now certificates have been read, so that no time but the proxy's is measured.
        is_silent = True
        monkeypatch.setattr(sts, "CALL_SECONDS", 0.1)
        errors.append(await _error(caller, TWO))

    assert [AwsUnreachable] * 2 == [type(error) for error in errors]
    assert HOSTS * 2 == hosts


@pytest.mark.parametrize(
    ("scheme", "host", "address"),
    [
        ("http", "127.0.0.1", "127.0.0.1"),
        ("http", "localhost", "127.0.0.1"),
        ("http", "LocalHost", "127.0.0.1"),
        ("http", "[::1]", "::1"),
        ("https", "127.0.0.1", "127.0.0.1"),
        ("https", "127.0.0.2", "127.0.0.2"),
        ("https", "localhost", "127.0.0.1"),
        ("https", "[::1]", "::1"),
    ],
)
async def test_loopback_is_called_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, scheme: str, host: str, address: str
) -> None:
    """A request to loopback, however its address is written, never reaches a proxy."""
    async with OddSts(http("", "500 Odd")).open() as proxy, OddSts(http("", "500 Odd")).open(address) as here:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        url = f"{scheme}://{host}:{here.url.rpartition(':')[2]}"
        monkeypatch.setattr(sts, "RETRY_SECONDS", 0)
        async with _sts() as caller:
            await _error(caller, StsLocation(region="eu-central-1", endpoint_url=url))

    assert (0, True) == (proxy.connections, here.connections > 0)
