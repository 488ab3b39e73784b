"""The composition root: config in, objects out, and the named phases of a life: bind, ready, run, drain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket

from asyncio import Transport
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from mayfly import __version__, config, hardening, paths, sockets, status
from mayfly.audit import Audit
from mayfly.clock import Clock
from mayfly.config import Config
from mayfly.control import Control
from mayfly.desk import Desk, RemoteDesk, desk_here
from mayfly.endpoint import Endpoint
from mayfly.errors import MayflyError
from mayfly.events import Events
from mayfly.herald import Herald
from mayfly.keeper import Keeper
from mayfly.launcher import child_launcher, unit_launcher
from mayfly.peer import Peer, SockDiag, is_ours, sock_diag, unix_peer
from mayfly.service.manager import Manager
from mayfly.session import LOOK_AGAIN_SECONDS
from mayfly.tokens import Grants, ensure_tokens, readable_tokens
from mayfly.web import CONNECTIONS, Handler, Server


DRAIN_SECONDS = 5
HEAR_OUT_SECONDS = 0.3
KEEP_SECONDS = 0.1
# The exchange reads the config itself, and takes no other than ours.
UNTIL_THEN = "until then what is in memory goes on, and nothing new can be got"
SPARE_DESCRIPTORS = 96
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Daemon:
    """One daemon for one user: `serve` lives its life until `stop` is set."""

    def __init__(
        self, found: Config, address: tuple[str, int], log: Any, manager: Manager, *, is_sealed: bool = False
    ) -> None:
        """`manager` is what has started us; `is_sealed`: exchange and desk are services of their own."""
        self._address = address
        self._is_address_configured = address == paths.listen_address(None, found.listen)
        self._manager = manager
        self._is_sealed = is_sealed
        self._events = Events(log)
        self._clock = Clock()
        self._started_at = self._clock()
        self._grants = Grants()
        outside = manager.inherited.sock_diag
        self._sock_diag = SockDiag(outside.detach()) if outside else sock_diag()
        self._refusals: Counter[str] = Counter()
        desk: Desk = RemoteDesk(paths.desk_socket(), self._clock) if is_sealed else desk_here(self._clock)
        self._keeper = Keeper(
            found,
            launch=unit_launcher(paths.exchange_socket()) if is_sealed else child_launcher(found.source),
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
        self._herald = Herald(self._events, desk, is_wanted=lambda: self._keeper.config.notify)
        self._keeping: asyncio.TimerHandle | None = None
        self._reloads: set[asyncio.Task[None]] = set()
        # Of two who read at once, the one who has read old tokens could win.
        self._taking_over = asyncio.Lock()
        self._open: list[tuple[asyncio.Server, Server]] = []
        self.stop = asyncio.Event()

    async def serve(self, on_ready: Callable[[str], None] = lambda _shown: None) -> None:
        """Bind, be ready, run until told to stop, drain; `on_ready` is told the address that is listened on."""
        _close_up()
        async with contextlib.AsyncExitStack() as life:
            self._keeper.recall(self._manager.recall())
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
        port = inherited.port or sockets.bind_port(self._address)
        self._address = port.getsockname()
        life.callback(port.close)
        control_socket = inherited.control or sockets.bind_control()
        if not inherited.control:
            life.callback(sockets.unlink_control)
        # Only now: whoever may not serve leaves no tokens behind.
        self._grants.replace(ensure_tokens(self._keeper.config.profiles))
        endpoint = Endpoint(
            self._keeper,
            self._grants,
            self._audit,
            port=self._address[1],
            clock=self._clock,
            on_refusal=self._count_refusal,
        )
        control = Control(
            self._keeper,
            self._events,
            self._audit,
            status=self._status,
            reload=self.reload,
            take_over_tokens=self.take_over_tokens,
        )
        await life.enter_async_context(self._listening(control_socket, control.handle, self._admits_unix))
        await life.enter_async_context(self._listening(port, endpoint.handle, self._admits_tcp))

    @contextlib.asynccontextmanager
    async def _listening(self, sock: socket.socket, handle: Handler, admit: Any) -> AsyncIterator[None]:
        """Accept on `sock` for a while; whatever is open then is closed as soon as it is answered."""
        server = Server(handle, admit=admit, on_fault=self._on_fault, on_refusal=self._count_refusal, places=_places())
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

    def _admits_tcp(self, transport: Transport) -> Peer | None:
        """Only this user's own processes, where the kernel can tell."""
        if self._sock_diag is None:
            return Peer(os.getuid(), 0)
        ours, client = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        try:
            peer = self._sock_diag.peer(client, ours) if client and ours else None
        except OSError:
            peer = None
        return self._admitted(peer)

    def _admits_unix(self, transport: Transport) -> Peer | None:
        return self._admitted(unix_peer(transport.get_extra_info("socket")))

    def _admitted(self, peer: Peer | None) -> Peer | None:
        if peer and is_ours(peer.uid, allow_root=self._keeper.config.allow_root):
            return peer
        self._count_refusal("user")
        return None

    def _count_refusal(self, cause: str) -> None:
        """Count, and log the first, the tenth, the hundredth …: a flood of refusals is no flood of lines."""
        self._refusals[cause] += 1
        times = self._refusals[cause]
        if str(times).strip("0") == "1":
            self._events.warning("request.refused", cause=cause, times=times)

    # Run

    async def _run(self) -> None:
        tasks = [asyncio.create_task(work) for work in (self._work(), self._herald.run(), self.stop.wait())]
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
        for accepting, _ in self._open:
            accepting.close()
        self._keeper.wind_up()
        await asyncio.gather(*(server.hear_out(HEAR_OUT_SECONDS) for _, server in self._open))
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
            self._manager.keep(self._keeper.keepsake())

    async def reload(self) -> None:
        """Take over the config on disk; raises ConfigInvalid, and goes on with the old one, where it is bad.

        New tokens count at once, whatever else is wrong.
        """
        await self.take_over_tokens()
        async with self._taking_over:
            await self._reload()

    async def take_over_tokens(self) -> dict[str, str]:
        """Let the tokens on disk be those in force. What is wrong with one, by profile: that profile has none then."""
        async with self._taking_over:
            tokens, problems = await asyncio.to_thread(readable_tokens, self._keeper.config.profiles)
            self._grants.replace(tokens)
        for profile, reason in problems.items():
            self._events.warning("token.refused", profile=profile, reason=reason)
        return problems

    async def _reload(self) -> None:
        self._manager.reloading()
        try:
            fresh = await asyncio.to_thread(config.load, Path(self._keeper.config.source))
            tokens = await asyncio.to_thread(ensure_tokens, fresh.profiles)
        except MayflyError as error:
            self._events.warning("config.refused", reason=error.message)
            error.hint = error.hint or f"mend it and run 'mayfly reload': {UNTIL_THEN}"
            raise
        else:
            self._keeper.adopt(fresh)
            self._grants.replace(tokens)
            self._events.info("config.reloaded", profiles=len(fresh.profiles))
        finally:
            self._manager.ready(self._summary())

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

        task = asyncio.create_task(reload())
        # asyncio itself holds a task only weakly.
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

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
                service=self._manager.name,
                notes=self._notes(),
                refusals=dict(self._refusals),
                last_fetches=[fetch._asdict() for fetch in self._audit.last],
                profiles=self._keeper.status(),
            )
        )

    def _notes(self) -> list[str]:
        configured = self._keeper.config.listen
        notes = self._manager.notes()
        if not config.is_as_on_disk(self._keeper.config):
            notes.append(f"{self._keeper.config.source} has changed since it was read: 'mayfly reload'; {UNTIL_THEN}")
        if self._manager.inherited.port and configured not in {None, self._shown()}:
            notes.append(f"the config says listen = {configured}: 'mayfly install --now' moves the service there")
        elif self._has_moved():
            notes.append(
                f"the config has another listen than {self._shown()}: start 'mayfly serve' anew to move it there"
            )
        return notes

    def _has_moved(self) -> bool:
        """Whether a daemon that is started now as this one was would listen elsewhere."""
        if self._manager.inherited.port or not self._is_address_configured:
            return False
        return self._address != paths.listen_address(None, self._keeper.config.listen)

    def _summary(self) -> str:
        return f"{len(self._keeper.config.profiles)} profiles on {self._shown()}"

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
        # macOS says infinity, and means OPEN_MAX.
        soft = 10_240 if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _places() -> int:
    """How many connections there may be: some descriptors are left for those that come, and for all else."""
    return min(CONNECTIONS, max(SPARE_DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS))
