"""How the daemon gets at an exchange: a process that is started, asked once, listened to, and seen off.

It is a child of the daemon's, or, where the daemon is sealed off, an instance of systemd's unit for it. An `Exchange`
is opened before it is known what exactly to ask, because its interpreter takes as long to start as clients take to
gather.
"""

from __future__ import annotations

import asyncio
import os
import sys

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from mayfly.shared import wire
from mayfly.shared.errors import ExchangeFailed
from mayfly.shared.wire import Request, Result


# The exchange keeps its own limits; this one is for an exchange that does not. It covers a wait for another daemon's
# `op`, two of our own at their longest (600 s each), two steps of codes, and STS's patience.
BACKSTOP_SECONDS = 3600
TERM_GRACE_SECONDS = 10

# systemd hangs up on whoever is one too many (MaxConnections in mayfly-exchange.socket), so we stay well below, and
# check_prompt room for those that are being seen off. As many processes is more than a machine should have to bear.
UNITS_AT_ONCE = 128


# Returns where a human may be asked now, and raises the MayflyError that is in the way.
PromptCheck = Callable[[], Awaitable[None]]


class Exchange(Protocol):
    """One exchange that has been opened and not yet asked."""

    def ask(self, request: Request, check_prompt: PromptCheck | None = None) -> AsyncIterator[Result]:
        """Send `request` and yield one result a profile, as they come.

        Raises ExchangeFailed, and whatever `check_prompt` raises.
        """


Launcher = Callable[[], AbstractAsyncContextManager[Exchange]]


class _Piped:
    """An exchange at the other end of two streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: Request, check_prompt: PromptCheck | None = None) -> AsyncIterator[Result]:
        wanted = set(request.profiles) | set(request.sessions if request.kind == "verify" else ())
        is_silent = True
        try:
            self._writer.write(wire.request_bytes(request))
            await self._writer.drain()
            async with asyncio.timeout(BACKSTOP_SECONDS):
                while line := await self._line():
                    is_silent = False
                    if check_prompt and line == wire.MAY_I:
                        await check_prompt()
                        self._writer.write(wire.YOU_MAY)
                    else:
                        yield _expected(wire.parse_result(line), wanted)
        except TimeoutError:
            raise ExchangeFailed("the exchange did not end") from None
        except ConnectionError:
            raise ExchangeFailed("the exchange ended before it was asked") from None
        if is_silent and wanted:
            # So does one that takes this for no request, because it is of another version.
            hint = "look at the daemon's log; after an upgrade, restart the daemon"
            raise ExchangeFailed("the exchange ended without an answer", hint=hint)

    async def _line(self) -> bytes:
        try:
            line = await self._reader.readline()
        except ValueError:
            raise ExchangeFailed("the exchange's answer has a line that is too long") from None
        if line and not line.endswith(b"\n"):
            raise ExchangeFailed("the exchange's answer is cut off")
        return line


def _expected(result: Result, wanted: set[str]) -> Result:
    if result.profile not in wanted:
        raise ExchangeFailed("the exchange answered for a profile that was not asked for")
    return result


def child_launcher(config_source: Callable[[], str]) -> Launcher:
    """A launcher of child processes that read the config themselves, from the file that is in force then."""

    @asynccontextmanager
    async def launch() -> AsyncIterator[Exchange]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "mayfly.exchange",
            "--config",
            config_source(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd="/",
            # Ctrl-C in the daemon's terminal is the daemon's to hear: it sees its exchange off itself.
            start_new_session=True,
            env=_environment(),
            limit=wire.MAX_LINE_BYTES,
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - for mypy: made with pipes
        try:
            yield _Piped(process.stdout, process.stdin)
        finally:
            await _see_off(process)

    return launch


def unit_launcher(path: Path, *, at_once: int = UNITS_AT_ONCE) -> Launcher:
    """A launcher by the socket at `path`: systemd starts an exchange for each connection, and ends all that is its.

    Whoever comes while there are `at_once` waits. Raises ExchangeFailed where systemd does not listen.
    """
    places = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def launch() -> AsyncIterator[Exchange]:
        async with places:
            reader, writer = await _connected(path)
            try:
                yield _Piped(reader, writer)
            finally:
                # An exchange that is not done takes this for the order to end.
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    return launch


async def _connected(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_unix_connection(path, limit=wire.MAX_LINE_BYTES)
    except (FileNotFoundError, ConnectionRefusedError):
        raise ExchangeFailed(f"nobody listens on {path}", hint="run 'mayfly install --now'") from None


async def _see_off(process: asyncio.subprocess.Process) -> None:
    """Let it end by itself if it is done, or ask, or make it: it takes `op` along."""
    assert process.stdin is not None  # noqa: S101 - for mypy: made with a pipe
    process.stdin.close()
    for end in (process.terminate, process.kill):
        if process.returncode is None and not (process.stdout and process.stdout.at_eof()):
            with suppress(ProcessLookupError):
                end()
        with suppress(TimeoutError):
            async with asyncio.timeout(TERM_GRACE_SECONDS):
                await process.wait()
                return


def _environment() -> dict[str, str]:
    """The daemon's own, less what systemd handed to the daemon alone."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))
    }
