"""Starts an exchange: a process that gets one request, answers with a line for each profile, and ends.

It is a child process, or, if the daemon's unit is sealed, an instance of systemd's unit for the exchange. An `Exchange`
is opened before the request is complete: its interpreter starts while more clients arrive.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from mayfly.shared import wire
from mayfly.shared.errors import ExchangeFailed
from mayfly.shared.interpreter import isolation_flags
from mayfly.shared.stages import Stage
from mayfly.shared.wire import Request, Result


# The exchange has its own time limits; this one ends an exchange that ignores them. It covers a wait for another
# daemon's `op`, two of our own at their longest (600 s each), two waits for the next code, and the calls of STS.
BACKSTOP_SECONDS = 3600
TERM_GRACE_SECONDS = 10

# systemd closes every connection beyond MaxConnections in mayfly-exchange.socket. This limit is well below, because
# exchanges that are about to end count there, too.
EXCHANGES_AT_ONCE = 128


# Returns if a human may be prompted now; raises the MayflyError that says why not.
PromptCheck = Callable[[], Awaitable[None]]


class Exchange(Protocol):
    """One exchange that has been opened and has got no request yet."""

    def ask(self, request: Request, check_prompt: PromptCheck | None = None) -> AsyncIterator[Result | Stage]:
        """Send `request` and yield the results as they come, one for each profile, and the stages if it wants them.

        Raises ExchangeFailed, and the MayflyError that `check_prompt` raises.
        """


Launcher = Callable[[], AbstractAsyncContextManager[Exchange]]


class _StreamExchange:
    """An exchange at the other end of a pair of streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: Request, check_prompt: PromptCheck | None = None) -> AsyncIterator[Result | Stage]:
        wanted = set(request.subjects)
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
                        yield _check_profile(wire.parse_told(line), wanted)
        except TimeoutError:
            raise ExchangeFailed("the exchange did not end") from None
        except ConnectionError:
            raise ExchangeFailed("the exchange ended before it was asked") from None
        if is_silent and wanted:
            # An exchange of another version may end without an answer, because it does not understand the request.
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


def _check_profile(result: Result | Stage, wanted: set[str]) -> Result | Stage:
    if not wanted.issuperset(result.profiles if isinstance(result, Stage) else {result.profile}):
        raise ExchangeFailed("the exchange answered for a profile that was not asked for")
    return result


def child_launcher(config_source: Callable[[], str], *, at_once: int = EXCHANGES_AT_ONCE) -> Launcher:
    """A launcher of child processes, at most `at_once` at a time. Each reads the config file that is then in force."""
    places = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def launch() -> AsyncIterator[Exchange]:
        async with places:
            process = await _start(config_source())
            assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - for mypy: made with pipes
            try:
                yield _StreamExchange(process.stdout, process.stdin)
            finally:
                await _end(process)

    return launch


async def _start(config_source: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *isolation_flags(),
        "-m",
        "mayfly.exchange",
        "--config",
        config_source,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd="/",
        # Ctrl-C in the terminal must reach the daemon only, which ends its exchange itself.
        start_new_session=True,
        env=_environment(),
        limit=wire.MAX_LINE_BYTES,
    )


def unit_launcher(path: Path, *, at_once: int = EXCHANGES_AT_ONCE) -> Launcher:
    """A launcher by the socket at `path`: systemd starts a unit for each connection, and ends all its processes.

    At most `at_once` exchanges run at a time; the next one waits. Raises ExchangeFailed if systemd does not listen.
    """
    places = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def launch() -> AsyncIterator[Exchange]:
        async with places:
            reader, writer = await _connected(path)
            try:
                yield _StreamExchange(reader, writer)
            finally:
                # An exchange that still works takes a closed connection for the order to end.
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    return launch


async def _connected(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_unix_connection(path, limit=wire.MAX_LINE_BYTES)
    except (FileNotFoundError, ConnectionRefusedError):
        raise ExchangeFailed(f"nobody listens on {path}", hint="run 'mayfly install --now'") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    """End an exchange, and reap it, also if the caller is cancelled meanwhile."""
    ending = asyncio.ensure_future(_ended(process))
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        await ending
        raise


async def _ended(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, on which an exchange ends its `op`, then SIGKILL. One that has done its work is ending by itself."""
    assert process.stdin is not None  # noqa: S101 - for mypy: made with a pipe
    process.stdin.close()
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is None:
            # Not process.terminate(), which may reap the process, and then its exit code is lost for asyncio.
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(TERM_GRACE_SECONDS):
                await process.wait()
        # `wait` also waits for the pipes, which a process that the exchange left behind may hold open.
        if process.returncode is not None:
            return


def _environment() -> dict[str, str]:
    """The daemon's own, without the variables that systemd set for the daemon only."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))
    }
