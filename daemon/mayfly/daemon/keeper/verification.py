"""Asking AWS whether it still accepts a session: rarely, and without a prompt."""

from __future__ import annotations

import asyncio

from collections.abc import Awaitable, Callable
from datetime import datetime

from mayfly.daemon.events import Events
from mayfly.daemon.keeper.common_errors import not_started
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.launcher import Launcher
from mayfly.daemon.tasks import Tasks
from mayfly.shared import grant
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import AccessKeyUnknown, ExchangeFailed, MayflyError, SessionEnded
from mayfly.shared.wire import Identity, Request, Result


class Verification:
    """Asks AWS for the identity of a session, and drops sessions that AWS rejects."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        launch: Launcher,
        clock: Callable[[], datetime],
        events: Events,
        tasks: Tasks,
        on_rejected: Callable[[], Awaitable[None]],
    ) -> None:
        self._ledger = ledger
        self._launch = launch
        self._clock = clock
        self._events = events
        self._tasks = tasks
        self._on_rejected = on_rejected
        self._asking: dict[tuple[str, str, str], asyncio.Task[Identity]] = {}

    def suspect(self, name: str, *, is_refused: bool) -> None:
        """Ask AWS about the session, unless it was asked lately. `is_refused`: AWS refused AssumeRole from it."""
        now = self._clock()
        if self._ledger[name].may_verify(self._ledger.policy(name, now), now, is_refused=is_refused):
            self._ledger[name] = self._ledger[name].verified(now)
            self._tasks.spawn(self._verify(name))

    async def identity(self, name: str, credentials: Credentials) -> Identity:
        """The identity of the session; raises the MayflyError that came instead.

        Calls for the same session at the same time share one exchange. It goes on if a caller is cancelled.
        """
        question = (name, credentials.access_key_id, self._ledger.config.digest)
        if question not in self._asking:
            self._asking[question] = asking = self._tasks.start_for_clients(self._ask(name, credentials))
            asking.add_done_callback(lambda _: self._asking.pop(question))
        return await asyncio.shield(self._asking[question])

    async def _ask(self, name: str, credentials: Credentials) -> Identity:
        # The profile tells where AWS is; its name is the only one here, so no answer can be taken for another's.
        sessions = {grant.profile_of(name): credentials}
        request = Request(kind="verify", digest=self._ledger.config.digest, profiles=(), sessions=sessions)
        outcomes: list[object] = [ExchangeFailed("the exchange ended without an answer")]
        try:
            async with self._launch() as exchange:
                outcomes += [each.outcome async for each in exchange.ask(request) if isinstance(each, Result)]
        except OSError as reason:
            raise not_started(reason) from None
        if isinstance(outcomes[-1], MayflyError):
            raise outcomes[-1]
        if isinstance(outcomes[-1], Identity):
            return outcomes[-1]
        raise ExchangeFailed("the exchange answered something else than what was asked")

    async def _verify(self, name: str) -> None:
        suspected, config = self._usable(name), self._ledger.config
        try:
            if suspected:
                await self.identity(name, suspected)
        except (SessionEnded, AccessKeyUnknown) as refusal:
            here = self._ledger.current_name(config, name)
            if here and suspected == self._usable(here):
                self._events.warning("session.rejected", profile=here, code=refusal.code)
                self._ledger.reject(here, refusal, self._clock())
                await self._on_rejected()
        except MayflyError as error:
            self._events.warning("session.unverified", profile=name, code=error.code)

    def _usable(self, name: str) -> Credentials | None:
        return self._ledger[name].usable(self._clock()) if name in self._ledger else None
