"""The launcher by systemd's socket, against a server that plays systemd and the exchange."""

from __future__ import annotations

import asyncio

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mayfly import wire
from mayfly.credentials import Credentials
from mayfly.errors import ExchangeFailed
from mayfly.launcher import unit_launcher
from mayfly.wire import Request, Result


REQUEST = Request(kind="login", digest="d", profiles=("nsrc",))
RESULT = Result(
    profile="nsrc",
    outcome=Credentials(
        access_key_id="ASIAEXAMPLE",
        secret_access_key="s",
        session_token="t",
        expiration=datetime(2026, 1, 1, tzinfo=UTC),
    ),
)


async def test_one_connection_is_one_exchange(tmp_path: Path) -> None:
    """The request goes out through the socket, results come back, and the end is the end of the connection."""
    asked: list[Request] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(wire.parse_request(await reader.readline()))
        writer.write(wire.result_bytes(RESULT))
        writer.close()

    path = tmp_path / "exchange.sock"
    async with await asyncio.start_unix_server(answer, path), unit_launcher(path)() as exchange:
        results = [result async for result in exchange.ask(REQUEST)]

    assert [REQUEST] == asked
    assert [RESULT] == results


async def test_an_exchange_that_is_left_is_hung_up_on(tmp_path: Path) -> None:
    """Leaving an exchange that has not been asked closes the connection, which it takes for the order to end."""
    hung_up = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"" == await reader.read()
        hung_up.set()
        writer.close()

    async with await asyncio.start_unix_server(wait, tmp_path / "exchange.sock"), asyncio.timeout(10):
        async with unit_launcher(tmp_path / "exchange.sock")():
            pass
        await hung_up.wait()


async def test_no_socket_is_an_exchange_that_cannot_be_started(tmp_path: Path) -> None:
    """Where systemd does not listen, the launcher says so as the operating system does."""
    with pytest.raises(FileNotFoundError):
        async with unit_launcher(tmp_path / "gone.sock")():
            pass


async def test_an_exchange_that_says_nothing_is_told_with_what_to_do(tmp_path: Path) -> None:
    """One of another version takes the request for none, and ends."""

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    path = tmp_path / "exchange.sock"
    async with await asyncio.start_unix_server(end, path), unit_launcher(path)() as exchange:
        with pytest.raises(ExchangeFailed, match="the exchange ended without an answer") as raised:
            _ = [result async for result in exchange.ask(REQUEST)]

    assert "after an upgrade, restart the daemon" in raised.value.hint


async def test_an_answer_that_is_cut_off_is_no_answer(tmp_path: Path) -> None:
    """Half a line is not believed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(wire.result_bytes(RESULT)[:-9])
        writer.close()

    path = tmp_path / "exchange.sock"
    async with await asyncio.start_unix_server(answer, path), unit_launcher(path)() as exchange:
        with pytest.raises(ExchangeFailed):
            _ = [result async for result in exchange.ask(REQUEST)]
