"""Roles on live sessions: assumed all at once, with nobody asked, and without waiting for any login."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

from mayfly.daemon.keeper.batches import Batch, assume_batch
from mayfly.daemon.keeper.exchanges import Calls, Exchanges
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.wanted import Kind, State, WantedSessions
from mayfly.daemon.tasks import Tasks
from mayfly.shared.errors import ExchangeFailed, MayflyError


class RoleLane:
    """Starts an exchange for the roles that can be assumed; `on_end` is called when one is over."""

    def __init__(
        self,
        ledger: Ledger,
        wanted: WantedSessions,
        exchanges: Exchanges,
        *,
        clock: Callable[[], datetime],
        tasks: Tasks,
        on_end: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._wanted = wanted
        self._exchanges = exchanges
        self._clock = clock
        self._tasks = tasks
        self._on_end = on_end
        # True from the launch of an exchange to its request; roles that are wanted meanwhile join it.
        self._is_launching = False

    def start(self) -> None:
        """Start an exchange where any role can be assumed."""
        if not self._is_launching and self._assumable():
            self._launch()

    def start_for(self, name: str) -> None:
        """The same where only this role has been added since."""
        if not self._is_launching and self._is_assumable(name, self._clock()):
            self._launch()

    def fail_without_source(self, reason: MayflyError | None = None) -> None:
        """Fail queued roles whose source session is gone, with the source's error.

        This does not count as a failure of the role.
        """
        now = self._clock()
        for name in self._wanted.names_in(State.QUEUED, Kind.ROLE):
            base = self._ledger.base(name)
            if not self._ledger.live_source(name, now) and base not in self._wanted:
                ended = ExchangeFailed(f"the session of {base} has ended", hint="ask again")
                self._wanted.answer(name, reason or self._ledger[base].last_error or ended)

    def _launch(self) -> None:
        self._is_launching = True
        self._tasks.spawn(self._run())

    async def _run(self) -> None:
        is_asked = False

        def compose() -> Batch:
            nonlocal is_asked
            batch = assume_batch(self._ledger, self._assumable(), self._clock())
            is_asked, self._is_launching = True, False
            return batch

        # ExitStack runs every callback, even after an error, in reverse order.
        with ExitStack() as calls:
            calls.callback(self._on_end)
            try:
                await self._exchanges.run(Calls(compose))
            finally:
                if not is_asked:
                    self._is_launching = False
                    self._fail_queued(calls)

    def _fail_queued(self, calls: ExitStack) -> None:
        """By a fault of mayfly's own the exchange got no request: end the wait of its roles."""
        fault = ExchangeFailed("the role could not be assumed, by a fault of mayfly's own")
        for name in self._wanted.names_in(State.QUEUED, Kind.ROLE):
            calls.callback(self._exchanges.fail, name, fault)

    def _assumable(self) -> list[str]:
        now = self._clock()
        return [name for name in self._wanted.names_in(State.QUEUED, Kind.ROLE) if self._is_assumable(name, now)]

    def _is_assumable(self, name: str, now: datetime) -> bool:
        """True if the role has a live session below it, and no exchange is getting a role between them.

        A grant that has ended is asked for no more.
        """
        if self._ledger.has_ended(name, now):
            return False
        links = self._ledger.links_above_live(name, now)
        return bool(links) and not any(self._wanted.is_in_exchange(link) for link in links[:-1])
