"""The composition root: config in, objects out, and the named phases of a life: bind, ready, run, drain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from mayfly import __version__
from mayfly.config.model import Config
from mayfly.daemon import sockets, status
from mayfly.daemon.admission import Admission
from mayfly.daemon.audit import Audit
from mayfly.daemon.control import Control
from mayfly.daemon.endpoint import Endpoint
from mayfly.daemon.endpoint.refused_clients import RefusedClients
from mayfly.daemon.events import Events
from mayfly.daemon.grants import Grants
from mayfly.daemon.http.server import CONNECTIONS, Handler, Server
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.launcher import child_launcher, unit_launcher
from mayfly.daemon.notifications import Notifications
from mayfly.daemon.reload import UNTIL_THEN, Reload, config_notes
from mayfly.daemon.threads import DaemonThread
from mayfly.service.manager import Manager
from mayfly.session import LOOK_AGAIN_SECONDS
from mayfly.shared import hardening, paths
from mayfly.shared.address import listen_address
from mayfly.shared.clock import Clock
from mayfly.shared.desk import Desk
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.sock_diag import SockDiag, sock_diag
from mayfly.shared.tokens import ensure_tokens


DRAIN_SECONDS = 5
FINISH_REQUESTS_SECONDS = 0.3
KEEP_SECONDS = 0.1
LOOK_AT_DISK_SECONDS = 2
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Daemon:
    """One daemon for one user: `serve` lives its life until `stop` is set."""

    def __init__(
        self,
        found: Config,
        address: tuple[str, int],
        log: Any,
        manager: Manager,
        *,
        clock: Clock,
        desk: Desk,
        is_sealed: bool = False,
        given_config: str | None = None,
    ) -> None:
        """`manager` is what has started us; `is_sealed`: exchange and desk are services of their own.

        `given_config` is the config that was named on the command line; each reload looks for it by the same rule.
        """
        self._given_config = given_config
        self._disk = DaemonThread()
        self._address = address
        self._is_address_configured = address == listen_address(None, found.listen)
        self._manager = manager
        self._is_sealed = is_sealed
        self._events = Events(log)
        self._clock = clock
        self._desk = desk
        self._started_at = self._clock()
        self._grants = Grants()
        outside = manager.inherited.sock_diag
        self._admission = Admission(
            SockDiag(outside.detach()) if outside else sock_diag(),
            self._events,
            allows_root=lambda: self._keeper.config.allow_root,
        )
        self._keeper = Keeper(
            found,
            launch=unit_launcher(paths.exchange_socket()) if is_sealed else child_launcher(self._config_in_force),
            desk=desk,
            clock=self._clock,
            events=self._events,
            on_change=self._keep_soon,
        )
        self._audit = Audit(
            desk,
            self._events,
            clock=self._clock,
            age_seconds=self._keeper.age_seconds,
            suspect=self._keeper.suspect,
        )
        self._notifications = Notifications(self._events, desk, is_wanted=lambda: self._keeper.config.notify)
        self._keeping: asyncio.TimerHandle | None = None
        self._reload = Reload(
            self._keeper,
            self._grants,
            self._events,
            find_config=lambda: paths.config_file(given_config),
            on_start=manager.reloading,
            on_end=lambda: manager.ready(self._summary()),
        )
        self._open: list[tuple[asyncio.Server, Server]] = []
        self.stop = asyncio.Event()

    async def serve(self, on_ready: Callable[[str], None] = lambda _shown: None) -> None:
        """Bind, be ready, run until told to stop, drain; `on_ready` is told the address that is listened on."""
        _close_up()
        async with contextlib.AsyncExitStack() as life:
            self._keeper.restore(self._manager.restore() if self._manager.is_systemd else None)
            # From the first connection to the last, a signal is ours to hear.
            life.enter_context(self._signals())
            await self._bind(life)
            on_ready(self._shown())
            self._events.info("daemon.started", address=self._shown(), version=__version__, pid=os.getpid())
            self._manager.ready(self._summary())
            await self._run()
            self._keep()
        self._events.info("daemon.stopped")

    # Bind

    async def _bind(self, life: contextlib.AsyncExitStack) -> None:
        inherited = self._manager.inherited
        if inherited.port:
            _check_host(inherited.port)
        port = inherited.port or sockets.bind_port(self._address)
        self._address = port.getsockname()
        life.callback(port.close)
        # Whoever handed it over may have bound it only.
        port.listen(sockets.BACKLOG)
        self._admission.prove(self._address[1])
        control_socket = inherited.control or sockets.bind_control()
        if not inherited.control:
            life.callback(sockets.unlink_control)
        # Only now: whoever may not serve leaves no tokens behind.
        self._grants.replace(ensure_tokens(self._keeper.config.profiles))
        endpoint = Endpoint(
            self._keeper,
            self._grants,
            self._audit,
            RefusedClients(self._events, self._clock),
            port=self._address[1],
            clock=self._clock,
            on_refusal=self._admission.refused,
            renewed_tokens=self._reload.renewed_tokens,
        )
        control = Control(
            self._keeper,
            self._events,
            self._audit,
            status=self._status,
            reload=self._reload.config,
            take_over_tokens=self._reload.tokens,
        )
        await life.enter_async_context(self._listening(control_socket, control.handle, self._admission.unix))
        await life.enter_async_context(self._listening(port, endpoint.handle, self._admission.tcp))

    @contextlib.asynccontextmanager
    async def _listening(self, sock: socket.socket, handle: Handler, admit: Any) -> AsyncIterator[None]:
        """Accept on `sock` for a while; whatever is open then is closed as soon as it is answered."""
        server = Server(
            handle,
            admit=admit,
            on_fault=self._on_fault,
            on_refusal=self._admission.refused,
            places=min(CONNECTIONS, sockets.places()),
        )
        # asyncio's backlog is also how many it accepts before it lets anybody go.
        accepting = await asyncio.get_running_loop().create_server(server, sock=sock, backlog=sockets.AT_ONCE)
        sock.listen(sockets.BACKLOG)
        self._open.append((accepting, server))
        try:
            yield
        finally:
            accepting.close()
            server.pre_shutdown()
            await server.shutdown(DRAIN_SECONDS)

    # Run

    async def _run(self) -> None:
        tasks = [asyncio.create_task(work) for work in (self._work(), self._notifications.run(), self.stop.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await self._drain()
        finally:
            self._events.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _drain(self) -> None:
        """Accept nobody, hear whoever has come, and wait a while for what is on its way; nobody new is asked."""
        self._manager.stopping()
        self._events.info("daemon.draining")
        await sockets.stop_accepting(accepting for accepting, _ in self._open)
        self._keeper.wind_up()
        await asyncio.gather(*(server.finish_requests(FINISH_REQUESTS_SECONDS) for _, server in self._open))
        await self._keeper.drain(DRAIN_SECONDS)

    async def _work(self) -> None:
        await self._keeper.run(self._on_look, self._manager.tick_seconds or LOOK_AGAIN_SECONDS)

    def _on_look(self) -> None:
        """What is done as often as the sessions are looked after: at least every half minute."""
        self._manager.tick()
        self._keep()
        # Our own unit starts whoever ends; another one, that somebody has written, may not.
        if self._is_sealed and self._manager.is_outdated() and not self._keeper.is_busy:
            self._events.info("daemon.outdated", version=__version__)
            self.stop.set()

    def _keep_soon(self) -> None:
        """At once; but of sessions that come in swarms the first and the last are enough."""
        if self._manager.is_systemd and self._keeping is None:
            self._keep()
            self._keeping = asyncio.get_running_loop().call_later(KEEP_SECONDS, self._keep)

    def _keep(self) -> None:
        """Have the sessions kept for the next process."""
        self._keeping = None
        if self._manager.is_systemd:
            self._manager.keep(self._keeper.snapshot())

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        actions = dict.fromkeys(SIGNALS, self._stop_or_leave) | {signal.SIGHUP: self._reload.soon}
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

    # Tell

    async def _status(self) -> dict[str, Any]:
        from mayfly.config.detours import detours  # the first look at `status` pays for it, not the start

        return status.tree(
            status.Status(
                version=__version__,
                pid=os.getpid(),
                address=self._shown(),
                config=self._keeper.config.source,
                started_at=self._started_at,
                observed_at=self._clock(),
                service=self._manager.name,
                notes=await self._notes(),
                detours=detours(self._keeper.config, os.environ),
                refusals=self._admission.refusals,
                last_fetches=[fetch._asdict() for fetch in self._audit.last],
                profiles=self._keeper.status(),
            )
        )

    async def _notes(self) -> list[str]:
        configured = self._keeper.config.listen
        try:
            notes = await self._disk.run(self._notes_from_disk, LOOK_AT_DISK_SECONDS)
        except TimeoutError:
            notes = [f"{self._keeper.config.source} cannot be read: its disk does not answer; {UNTIL_THEN}"]
        notes += self._desk.notes()
        if self._manager.inherited.port and configured not in {None, self._shown()}:
            notes.append(f"the config says listen = {configured}: 'mayfly install --now' moves the service there")
        elif self._has_moved():
            notes.append(
                f"the config has another listen than {self._shown()}: start 'mayfly serve' anew to move it there"
            )
        return notes

    def _notes_from_disk(self) -> list[str]:
        return [*self._manager.notes(), *config_notes(self._keeper.config, self._given_config)]

    def _config_in_force(self) -> str:
        return self._keeper.config.source

    def _has_moved(self) -> bool:
        """Whether a daemon that is started now as this one was would listen elsewhere."""
        if self._manager.inherited.port or not self._is_address_configured:
            return False
        return self._address != listen_address(None, self._keeper.config.listen)

    def _summary(self) -> str:
        return f"{len(self._keeper.config.profiles)} profiles on {self._shown()}"

    def _shown(self) -> str:
        return f"{self._address[0]}:{self._address[1]}"

    def _on_fault(self, fault: BaseException | None) -> None:
        self._events.error("request.failed", exc_info=fault)


def _check_host(port: socket.socket) -> None:
    """Raise ConfigInvalid for a port that others than this machine could reach."""
    host, number = port.getsockname()
    if host != "127.0.0.1":
        raise ConfigInvalid(
            f"the service manager has opened {host}:{number}, and mayfly serves on 127.0.0.1 alone:"
            f" make it ListenStream=127.0.0.1:{number}"
        )


def _close_up() -> None:
    """No dumps, no loose files, and as many connections as the system allows."""
    hardening.forbid_core_dumps()
    hardening.forbid_dumping()
    sockets.raise_descriptor_limit()
