"""The composition root: config in, objects out, and the named phases of a life: bind, ready, run, drain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket

from asyncio import Transport
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from mayfly import __version__, config, hardening, sockets, status
from mayfly.clock import Clock
from mayfly.config import Config
from mayfly.control import Control
from mayfly.desk import desk_here
from mayfly.endpoint import Endpoint
from mayfly.errors import MayflyError
from mayfly.events import Events
from mayfly.keeper import Keeper
from mayfly.launcher import child_launcher
from mayfly.peer import is_ours, sock_diag, unix_peer_uid
from mayfly.tokens import Grants, ensure_tokens
from mayfly.web import Handler, Server


DRAIN_SECONDS = 5
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Daemon:
    """One daemon for one user: `serve` lives its life until `stop` is set."""

    def __init__(self, found: Config, address: tuple[str, int], log: Any) -> None:
        self._address = address
        self._events = Events(log)
        self._clock = Clock()
        self._started_at = self._clock()
        self._grants = Grants()
        self._sock_diag = sock_diag()
        self._keeper = Keeper(
            found,
            launch=child_launcher(found.source),
            desk=desk_here(self._clock),
            clock=self._clock,
            events=self._events,
        )
        self.stop = asyncio.Event()

    async def serve(self) -> None:
        """Bind, be ready, run until told to stop, drain."""
        _close_up()
        self._grants.replace(ensure_tokens(self._keeper.config.profiles))
        async with contextlib.AsyncExitStack() as life:
            await self._bind(life)
            life.enter_context(self._signals())
            self._events.info("daemon.started", address=self._shown(), version=__version__, pid=os.getpid())
            await self._run()
            self._events.info("daemon.draining")
        self._events.info("daemon.stopped")

    # Bind

    async def _bind(self, life: contextlib.AsyncExitStack) -> None:
        port = sockets.bind_port(self._address)
        self._address = port.getsockname()
        life.callback(port.close)
        control_socket = sockets.bind_control()
        life.callback(sockets.unlink, control_socket)
        endpoint = Endpoint(self._keeper, self._grants, port=self._address[1], clock=self._clock, events=self._events)
        control = Control(self._keeper, status=self._status, reload=self.reload)
        await life.enter_async_context(self._listening(control_socket, control.handle, self._admits_unix))
        await life.enter_async_context(self._listening(port, endpoint.handle, self._admits_tcp))

    @contextlib.asynccontextmanager
    async def _listening(self, sock: socket.socket, handle: Handler, admit: Any) -> AsyncIterator[None]:
        """Accept on `sock` for a while, then let open requests finish."""
        server = Server(handle, admit=admit, on_fault=self._on_fault)
        accepting = await asyncio.get_running_loop().create_server(server, sock=sock, backlog=sockets.BACKLOG)
        try:
            yield
        finally:
            accepting.close()
            server.pre_shutdown()
            await server.shutdown(DRAIN_SECONDS)

    def _admits_tcp(self, transport: Transport) -> bool:
        """Only this user's own processes, where the kernel can tell."""
        if self._sock_diag is None:
            return True
        ours, client = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        try:
            peer = self._sock_diag.peer(client, ours) if client else None
        except OSError:
            peer = None
        return self._admitted(peer.uid if peer else None)

    def _admits_unix(self, transport: Transport) -> bool:
        return self._admitted(unix_peer_uid(transport.get_extra_info("socket")))

    def _admitted(self, uid: int | None) -> bool:
        if is_ours(uid, allow_root=self._keeper.config.allow_root):
            return True
        self._events.warning("connection.refused", cause="user", uid=uid)
        return False

    # Run

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

    async def reload(self) -> None:
        """Take over the config on disk; raises ConfigInvalid, and goes on with the old one, where it is bad."""
        try:
            fresh = await asyncio.to_thread(config.load, Path(self._keeper.config.source))
            self._keeper.adopt(fresh)
            self._grants.replace(ensure_tokens(fresh.profiles))
        except MayflyError as error:
            self._events.warning("config.refused", reason=error.message)
            raise
        self._events.info("config.reloaded", profiles=len(fresh.profiles))

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        actions = dict.fromkeys(SIGNALS, self._stop_or_leave) | {signal.SIGHUP: self._on_hangup}
        for number, action in actions.items():
            loop.add_signal_handler(number, action)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _stop_or_leave(self) -> None:
        """The first signal drains, the second does not wait."""
        if self.stop.is_set():
            os._exit(1)
        self.stop.set()

    def _on_hangup(self) -> None:
        async def reload() -> None:
            with contextlib.suppress(MayflyError):
                await self.reload()

        self._reloading = asyncio.create_task(reload())

    # Tell

    def _status(self) -> dict[str, Any]:
        return status.tree(
            status.Status(
                version=__version__,
                pid=os.getpid(),
                address=self._shown(),
                config=self._keeper.config.source,
                started_at=self._started_at,
                observed_at=self._clock(),
                notes=[],
                profiles=self._keeper.status(),
            )
        )

    def _shown(self) -> str:
        return f"{self._address[0]}:{self._address[1]}"

    def _on_fault(self, fault: BaseException | None) -> None:
        self._events.error("request.failed", exc_info=fault)


def _close_up() -> None:
    """No dumps, no loose files, and as many connections as the system allows."""
    hardening.forbid_core_dumps()
    hardening.forbid_dumping()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
