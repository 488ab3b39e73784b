"""The composition root: config in, objects out, and the phases of a life: bind, ready, run, drain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from collections.abc import Callable
from functools import partial
from typing import Any

from mayfly import __version__
from mayfly.config.model import Config
from mayfly.daemon import descriptors, process, sockets
from mayfly.daemon.admission import Admission
from mayfly.daemon.agents import AgentPolicy
from mayfly.daemon.audit import Audit
from mayfly.daemon.control import Control
from mayfly.daemon.delivery import Delivery
from mayfly.daemon.delivery.binding import from_desk
from mayfly.daemon.endpoint import Endpoint
from mayfly.daemon.endpoint.tokens import Tokens
from mayfly.daemon.endpoints import Endpoints
from mayfly.daemon.events import Events
from mayfly.daemon.grants import AgentGrants, Registry
from mayfly.daemon.grants_control import GrantsControl
from mayfly.daemon.http.places import Places
from mayfly.daemon.http.server import Handler
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.launcher import Launcher, child_launcher, unit_launcher
from mayfly.daemon.listeners import Listeners
from mayfly.daemon.notifications import Notifications
from mayfly.daemon.prompt_files import PromptFiles
from mayfly.daemon.reload import Reload
from mayfly.daemon.report import Report
from mayfly.daemon.session_store import SessionStore
from mayfly.daemon.tasks import Tasks
from mayfly.service.manager import Manager
from mayfly.session import LOOK_AGAIN_SECONDS
from mayfly.shared import paths
from mayfly.shared.clock import Clock
from mayfly.shared.desk import Desk
from mayfly.shared.grant_folder import listening
from mayfly.shared.sock_diag import sock_diag
from mayfly.shared.tokens import ensure_digests


DRAIN_SECONDS = 5
FINISH_REQUESTS_SECONDS = 0.3


class Daemon:
    """One daemon for one user: `serve` lives its life until `stop` is set."""

    def __init__(
        self,
        config: Config,
        address: tuple[str, int],
        log: Any,
        manager: Manager,
        *,
        clock: Clock,
        desk: Desk,
        is_sealed: bool = False,
        given_config: str | None = None,
    ) -> None:
        """`manager` has started this process; `is_sealed`: exchange and desk are services of their own.

        `given_config` is the config that was named on the command line; each reload looks for it by the same rule.
        """
        self._manager = manager
        self._is_sealed = is_sealed
        self._clock = clock
        self._desk = desk
        self._events = Events(log)
        self._tasks = Tasks(self._events)
        self._admission = Admission(
            sock_diag(manager.inherited.sock_diag), self._events, allows_root=lambda: self._config().allow_root
        )
        shares = descriptors.shares(descriptors.raise_limit())
        self._places = Places(shares.connections, shares.reserved)
        self._listeners = Listeners(
            self._places, on_fault=self._on_fault, on_refusal=self._admission.refused, end_seconds=DRAIN_SECONDS
        )
        self._keeper = self._new_keeper(config, shares.exchanges)
        self._delivery = self._new_delivery()
        self._grants = Registry(self._keeper, desk, self._events, self._tasks, clock=clock, delivery=self._delivery)
        self._audit = Audit(
            desk, self._events, clock=clock, age_seconds=self._keeper.age_seconds, suspect=self._keeper.suspect
        )
        self._agents = self._new_agents()
        self._endpoints = Endpoints(
            self._keeper, self._audit, self._agents, self._events, clock=clock, on_refusal=self._admission.refused
        )
        self._notifications = Notifications(self._events, desk, is_wanted=lambda: self._config().notify)
        self._report = self._new_report(address, given_config)
        self._reload = self._new_reload(given_config)
        self._store = SessionStore(manager, self._keeper.snapshot, self._tasks)
        self._prompts = PromptFiles(self._keeper.ends, self._events, self._tasks)
        self.stop = asyncio.Event()

    def _config(self) -> Config:
        return self._keeper.config

    def _new_keeper(self, config: Config, exchanges_at_once: int) -> Keeper:
        return Keeper(
            config,
            launch=self._new_launcher(exchanges_at_once),
            desk=self._desk,
            clock=self._clock,
            events=self._events,
            on_change=self._on_change,
        )

    def _new_agents(self) -> AgentPolicy:
        return AgentPolicy(
            self._desk,
            self._config,
            self._events,
            AgentGrants(self._grants, self._config, clock=self._clock),
            clock=self._clock,
            on_refusal=self._admission.refused,
        )

    def _new_delivery(self) -> Delivery:
        runtime_dir = str(paths.runtime_dir())
        return Delivery(
            runtime_dir,
            bind=partial(from_desk, str(paths.desk_socket())) if self._is_sealed else partial(listening, runtime_dir),
            handler_of=self._handler_of,
            places=self._places,
            events=self._events,
            tasks=self._tasks,
            on_fault=self._on_fault,
            on_refusal=self._admission.refused,
        )

    def _handler_of(self, grant_id: str) -> Handler:
        """Answers on a grant's own socket."""
        return self._endpoints.with_token_of(grant_id, self._tokens()).handle

    def _tokens(self) -> Tokens:
        return Tokens(self._grants.table, self._reload.tokens_renewed, self._grants.allow)

    def _new_report(self, address: tuple[str, int], given_config: str | None) -> Report:
        return Report(
            address,
            self._keeper,
            self._manager,
            self._admission,
            self._audit,
            lambda: [*self._desk.notes(), *self._agents.notes()],
            clock=self._clock,
            given_config=given_config,
        )

    def _new_reload(self, given_config: str | None) -> Reload:
        return Reload(
            self._keeper,
            self._grants.table,
            self._events,
            self._tasks,
            find_config=lambda: paths.config_file(given_config),
            on_start=self._manager.reloading,
            on_end=lambda: self._manager.ready(self._report.summary()),
            before_adopt=self._grants.adopt,
        )

    def _new_launcher(self, at_once: int) -> Launcher:
        if self._is_sealed:
            return unit_launcher(paths.exchange_socket(), at_once=at_once)
        return child_launcher(lambda: self._keeper.config.source, at_once=at_once)

    async def serve(self, on_ready: Callable[[str], None] = lambda _address: None) -> None:
        """Bind, be ready, run until told to stop, drain; `on_ready` is told the listening address."""
        process.harden()
        async with contextlib.AsyncExitStack() as life:
            # Before the sessions: those of grants come back, too.
            self._grants.restore()
            self._keeper.restore(self._manager.restore() if self._manager.is_systemd else b"")
            # Signals are handled from before the first connection until after the last.
            stops = dict.fromkeys((signal.SIGTERM, signal.SIGINT), self._on_stop_signal)
            life.enter_context(process.signals(stops | {signal.SIGHUP: self._reload.start}))
            life.push_async_callback(self._tasks.end)
            life.push_async_callback(self._audit.end)
            life.push_async_callback(self._delivery.end, DRAIN_SECONDS)
            await self._bind(life)
            on_ready(self._report.address_text)
            self._events.info("daemon.started", address=self._report.address_text, version=__version__, pid=os.getpid())
            self._manager.ready(self._report.summary())
            self._report.prepare()
            process.settle_memory()
            await self._run()
            await asyncio.wait([self._tasks.spawn(self._store.store())])
            await self._grants.stop()
        self._events.info("daemon.stopped")

    # Bind

    async def _bind(self, life: contextlib.AsyncExitStack) -> None:
        inherited = self._manager.inherited
        if inherited.port:
            sockets.check_host(inherited.port)
        # Duplicates, so that the sockets stay open for a RefusingDaemon.
        port = inherited.port.dup() if inherited.port else sockets.bind_port(self._report.address)
        self._report.address = port.getsockname()
        life.callback(port.close)
        # An inherited socket may be bound and not listen yet.
        port.listen()
        self._admission.check_sock_diag(self._report.address[1])
        control_socket = inherited.control.dup() if inherited.control else sockets.bind_control()
        if not inherited.control:
            life.callback(sockets.unlink_control, sockets.control_file())
        # Create tokens after binding, so that a daemon that cannot serve leaves none behind.
        self._grants.table.replace(ensure_digests(self._keeper.config.profiles))
        await self._grants.start()
        endpoint, control = self._endpoint_and_control()
        await life.enter_async_context(
            self._listeners.accepting(control_socket, control.handle, self._admission.admit_unix, has_reserve=True)
        )
        await life.enter_async_context(self._listeners.accepting(port, endpoint.handle, self._admission.admit_tcp))

    def _endpoint_and_control(self) -> tuple[Endpoint, Control]:
        endpoint = self._endpoints.with_tokens(self._tokens())
        control = Control(
            self._keeper,
            self._events,
            self._audit,
            self._agents,
            GrantsControl(self._grants, self._keeper, self._agents),
            status=lambda: self._report.status(self._grants.count),
            reload_config=self._reload.config,
            reload_tokens=self._reload.tokens,
        )
        return endpoint, control

    # Run

    async def _run(self) -> None:
        """Run until `stop` is set. Only a fault in the keeper's loop ends the daemon; others are logged by `Tasks`."""
        self._tasks.spawn(self._notifications.run())
        tick_seconds = self._manager.tick_seconds or LOOK_AGAIN_SECONDS
        keeping = asyncio.create_task(self._keeper.run(self._on_look, tick_seconds))
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait([keeping, stopping], return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()
            await self._drain()
        finally:
            self._events.close()
            for task in (keeping, stopping):
                task.cancel()
            await asyncio.gather(keeping, stopping, return_exceptions=True)

    def _on_change(self) -> None:
        self._store.store_soon()
        self._prompts.write_soon()

    def _on_look(self) -> None:
        self._tasks.spawn(self._after_look())

    async def _after_look(self) -> None:
        """Runs after each look at the sessions, which is at least every half minute."""
        self._manager.tick()
        self._grants.look()
        self._agents.look()
        await self._store.store()
        self._prompts.write_soon()
        # Exit only under our own unit, which has `Restart=always`. A custom unit might not restart the daemon.
        if self._is_sealed and await self._report.is_outdated() and not self._keeper.is_busy:
            self._events.info("daemon.outdated", version=__version__)
            self.stop.set()

    def _on_stop_signal(self) -> None:
        """The first signal starts to drain, the second ends the process at once."""
        if self.stop.is_set():
            os._exit(1)
        self.stop.set()

    def _on_fault(self, fault: BaseException | None) -> None:
        self._events.error("request.failed", exc_info=fault)

    # Drain

    async def _drain(self) -> None:
        """Stop accepting, answer the clients that are connected, and wait for exchanges under way. Start none."""
        self._manager.stopping()
        self._events.info("daemon.draining")
        self._grants.holds.stop()
        await self._prompts.end()
        await asyncio.gather(self._delivery.stop_accepting(), self._listeners.stop_accepting())
        self._keeper.wind_up()
        await asyncio.gather(
            self._delivery.finish_requests(FINISH_REQUESTS_SECONDS),
            self._listeners.finish_requests(FINISH_REQUESTS_SECONDS),
        )
        await self._keeper.drain(DRAIN_SECONDS)
