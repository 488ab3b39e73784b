"""The launcher by systemd's socket, with a server that plays systemd and the exchange."""

from __future__ import annotations

import asyncio
import re
import socket

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mayfly.daemon.launcher import EXCHANGES_AT_ONCE, unit_launcher
from mayfly.service import units
from mayfly.shared import wire
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import ExchangeFailed
from mayfly.shared.wire import Request, Result


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


async def test_an_exchange_that_gets_no_request_is_closed(tmp_path: Path) -> None:
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
    """If systemd does not listen, because the socket is stopped or its file is gone, the error says what to do."""
    path = tmp_path / "exchange.sock"
    for _ in range(2):
        with pytest.raises(ExchangeFailed) as failure:
            async with unit_launcher(path)():
                pass
        assert (f"nobody listens on {path}", "run 'mayfly install --now'") == (
            failure.value.message,
            failure.value.hint,
        )
        with socket.socket(socket.AF_UNIX) as stopped, suppress(OSError):
            stopped.bind(str(path))


async def test_an_exchange_beyond_the_limit_waits(tmp_path: Path) -> None:
    """systemd would close its connection; the launcher waits until another exchange has ended."""
    launch = unit_launcher(tmp_path / "exchange.sock", at_once=2)
    opened: list[int] = []

    async def open_one(number: int) -> None:
        async with launch():
            opened.append(number)

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(wait, tmp_path / "exchange.sock")
    async with server, asyncio.timeout(10), launch():
        async with launch():
            third = asyncio.create_task(open_one(3))
            await asyncio.sleep(0.05)
            is_waiting = not opened
        await third

    assert (True, [3]) == (is_waiting, opened)


def test_systemd_takes_more_exchanges_than_the_daemon_opens() -> None:
    """Exchanges that are about to end still count for systemd, but no longer for the daemon."""
    limit = re.search(r"^MaxConnections=(\d+)$", units.template("systemd", "mayfly-exchange.socket"), re.MULTILINE)

    assert limit
    assert EXCHANGES_AT_ONCE * 2 <= int(limit[1])


async def test_an_exchange_without_an_answer_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    """An exchange of another version may not understand the request, and ends."""

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    path = tmp_path / "exchange.sock"
    async with await asyncio.start_unix_server(end, path), unit_launcher(path)() as exchange:
        with pytest.raises(ExchangeFailed, match="the exchange ended without an answer") as raised:
            _ = [result async for result in exchange.ask(REQUEST)]

    assert "after an upgrade, restart the daemon" in raised.value.hint


async def test_an_answer_that_is_cut_off_is_no_answer(tmp_path: Path) -> None:
    """An answer without its end of line is an error."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(wire.result_bytes(RESULT)[:-9])
        writer.close()

    path = tmp_path / "exchange.sock"
    async with await asyncio.start_unix_server(answer, path), unit_launcher(path)() as exchange:
        with pytest.raises(ExchangeFailed):
            _ = [result async for result in exchange.ask(REQUEST)]
