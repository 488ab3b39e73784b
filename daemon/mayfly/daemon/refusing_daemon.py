"""A daemon that cannot serve, under systemd: it tells every client the reason, until its config changes.

systemd holds the sockets, so without this daemon clients would wait until their time limits, and `systemctl restart`
until systemd's own. It has no tokens and no sessions. It checks a request as the endpoint does, except for the token,
which it cannot judge.
"""

from __future__ import annotations

import asyncio
import signal

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from aiohttp import web

from mayfly.daemon import descriptors
from mayfly.daemon.admission import Admission, Peer
from mayfly.daemon.control import error_answer
from mayfly.daemon.endpoint.checks import Checks, Refused
from mayfly.daemon.events import Events
from mayfly.daemon.grants import Grant
from mayfly.daemon.http.acceptor import Acceptor
from mayfly.daemon.http.answer import Answer, refusal
from mayfly.daemon.http.places import Places
from mayfly.daemon.http.server import Handler, Server
from mayfly.service.manager import Manager
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.sock_diag import SockDiagMissing, sock_diag


# A person who has mended the config tries the daemon right after.
LOOK_AGAIN_SECONDS = 0.02
TICK_SECONDS = 1
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HINT = "mend it: the daemon starts by itself then"


class RefusingDaemon:
    """Answers on the sockets that systemd has opened, with the `problems` of the config, until `has_changed()`."""

    def __init__(self, manager: Manager, problems: Sequence[str], log: Any, *, has_changed: Callable[[], bool]) -> None:
        self._manager = manager
        self._problems = problems
        self._events = Events(log)
        self._has_changed = has_changed
        shares = descriptors.shares(descriptors.raise_limit())
        self._places = Places(shares.connections, shares.reserved)
        self._stop = asyncio.Event()

    async def run(self, seconds: float) -> bool:
        """Refuse clients for `seconds` at most. True if a signal has ended it."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        async with AsyncExitStack() as life:
            self._listen(life)
            self._manager.ready(f"not serving: {self._problems[0]}")
            until, ticked_at = loop.time() + seconds, 0.0
            while loop.time() < until and not self._stop.is_set() and not self._has_changed():
                if loop.time() - ticked_at > TICK_SECONDS:
                    self._manager.tick()
                    ticked_at = loop.time()
                await self._rest()
            self._manager.stopping()
        return self._stop.is_set()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                await self._stop.wait()
        except TimeoutError:
            return

    # Answer

    def _listen(self, life: AsyncExitStack) -> None:
        inherited = self._manager.inherited
        try:
            admission = Admission(sock_diag(inherited.sock_diag), self._events, allows_root=lambda: False)
            if inherited.control:
                self._accept(life, inherited.control, self._refuse_command, admission.admit_unix, has_reserve=True)
            if inherited.port:
                admission.check_sock_diag(inherited.port.getsockname()[1])
                self._accept(life, inherited.port, self._refuse_client, admission.admit_tcp)
                self._checks = Checks(
                    lambda _token, profile: Grant.of_profile(profile, b""), lambda _token, _profile: None
                )
        except SockDiagMissing:
            # The kernel does not say which user connects, so no client is answered.
            return

    def _accept(
        self,
        life: AsyncExitStack,
        sock: Any,
        handle: Handler,
        admit: Callable[[Any], Peer | None],
        *,
        has_reserve: bool = False,
    ) -> None:
        server = Server(
            handle,
            on_fault=self._on_fault,
            on_refusal=lambda _cause: None,
            places=self._places,
            has_reserve=has_reserve,
        )
        # A connection that comes after the change is left to the daemon that starts then.
        acceptor = Acceptor(sock.dup(), server, admit, may_accept=lambda: not self._has_changed())
        life.push_async_callback(server.shutdown, 0)
        life.push_async_callback(acceptor.stop)

    async def _refuse_client(self, request: web.BaseRequest) -> Answer:
        self._check_change()
        try:
            grant = self._checks.run(request)
        except Refused as refused:
            return refused.refusal.answer
        if grant is None:
            return refusal(503, "NotServing", "the daemon waits for its config")
        return refusal(400, "ConfigInvalid", self._problems[0])

    async def _refuse_command(self, _request: web.BaseRequest) -> Answer:
        self._check_change()
        error = ConfigInvalid(*self._problems)
        error.hint = HINT
        return error_answer(error)

    def _check_change(self) -> None:
        """Raise ConnectionResetError on a connection that was kept beyond the change: the client must connect anew."""
        if self._has_changed():
            raise ConnectionResetError("the config has changed")

    def _on_fault(self, fault: BaseException | None) -> None:
        self._events.error("request.failed", exc_info=fault)
