"""The composition root: config in, objects out, and the named phases of a life: bind, ready, run, drain."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import socket
import stat
import time

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mayfly import __version__, hardening, paths, status
from mayfly.config import Config
from mayfly.control import Control
from mayfly.desk import Desk, NoDesk
from mayfly.endpoint import Endpoint
from mayfly.errors import ConfigInvalid
from mayfly.keeper import Keeper
from mayfly.launcher import child_launcher
from mayfly.tokens import Grants, ensure_tokens
from mayfly.web import Server


BACKLOG = 1024
DRAIN_SECONDS = 5


class PortTaken(Exception):
    """The listening address is somebody else's."""


class Clock:
    """The wall clock, but never backwards.

    A laptop's sleep counts, a clock that is set back does not lengthen a credential's life.
    """

    def __init__(self) -> None:
        self._last_at = datetime.now(UTC)
        self._last_seconds = _seconds_with_sleep()

    def __call__(self) -> datetime:
        """Now, as an aware UTC instant."""
        seconds = _seconds_with_sleep()
        run_on = self._last_at + timedelta(seconds=seconds - self._last_seconds)
        self._last_at = max(datetime.now(UTC), run_on)
        self._last_seconds = seconds
        return self._last_at


def _seconds_with_sleep() -> float:
    """A clock that nobody sets. Linux stops its monotonic clock in suspend, so there it is CLOCK_BOOTTIME."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class Daemon:
    """One daemon for one user. `serve` lives its life until `stop` is set."""

    def __init__(
        self, config: Config, address: tuple[str, int], log: Any, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._config = config
        self._address = address
        self._log = log
        self._clock = clock or Clock()
        self._started_at = self._clock()
        self._grants = Grants()
        desk: Desk = NoDesk()
        self._keeper = Keeper(config, launch=child_launcher(config.source), desk=desk, clock=self._clock, log=log)
        self.stop = asyncio.Event()

    async def serve(self) -> None:
        """Bind, be ready, run until told to stop, drain."""
        hardening.forbid_core_dumps()
        hardening.forbid_dumping()
        _raise_descriptor_limit()
        self._grants.replace(ensure_tokens(self._config.profiles))
        async with contextlib.AsyncExitStack() as life:
            await self._bind(life)
            with self._signals():
                self._log.info("daemon.started", address=self._shown(), version=__version__, pid=os.getpid())
                await self._run()
        self._log.info("daemon.stopped")

    async def _bind(self, life: contextlib.AsyncExitStack) -> None:
        port = listening_socket(self._address)
        self._address = port.getsockname()
        endpoint = Endpoint(self._keeper, self._grants, port=self._address[1], clock=self._clock, log=self._log)
        control = Control(self._keeper, status=self._status, reload=self._reload)
        for sock, handle in ((port, endpoint.handle), (control_socket(), control.handle)):
            server = Server(handle, admit=lambda _transport: True, on_fault=self._on_fault)
            await life.enter_async_context(self._listening(sock, server))

    @contextlib.asynccontextmanager
    async def _listening(self, sock: socket.socket, server: Server) -> Any:
        """Accept on `sock` for a while, then let open requests finish."""
        name = sock.getsockname()
        accepting = await asyncio.get_running_loop().create_server(server, sock=sock, backlog=BACKLOG)
        try:
            yield
        finally:
            accepting.close()
            if isinstance(name, str):
                Path(name).unlink(missing_ok=True)
            server.pre_shutdown()
            await server.shutdown(DRAIN_SECONDS)

    async def _run(self) -> None:
        work = asyncio.create_task(self._keeper.run())
        stopped = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, stopped):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    @contextlib.contextmanager
    def _signals(self) -> Any:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_or_leave)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop_or_leave(self) -> None:
        """The first signal drains, the second does not wait."""
        if self.stop.is_set():
            os._exit(1)
        self.stop.set()

    async def _reload(self) -> None:
        raise ConfigInvalid("reload is not there yet: restart the daemon")

    def _status(self) -> dict[str, Any]:
        return status.tree(
            status.Status(
                version=__version__,
                pid=os.getpid(),
                address=self._shown(),
                config=self._config.source,
                started_at=self._started_at,
                observed_at=self._clock(),
                notes=[],
                profiles=self._keeper.status(),
            )
        )

    def _shown(self) -> str:
        return f"{self._address[0]}:{self._address[1]}"

    def _on_fault(self, fault: BaseException | None) -> None:
        self._log.error("request.failed", exc_info=fault)


def listening_socket(address: tuple[str, int]) -> socket.socket:
    """A socket bound to `address` and listening; raises PortTaken where somebody else is."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as reason:
        sock.close()
        if reason.errno != errno.EADDRINUSE:
            raise
        raise PortTaken(f"{address[0]}:{address[1]} is in use") from None
    return sock


def control_socket() -> socket.socket:
    """The control socket, 0600 in its 0700 folder; raises PortTaken where another daemon answers on it."""
    paths.make_runtime_dir()
    path = paths.control_socket()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigInvalid(f"{path} is no socket: remove it")
        if _is_answered(path):
            raise PortTaken(f"another mayfly already serves {path}")
        path.unlink()
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    return sock


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True


def _raise_descriptor_limit() -> None:
    """As many connections as the system allows: a thousand clients at once are served."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
