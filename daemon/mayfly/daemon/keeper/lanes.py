"""Gets the wanted sessions: logins by one lane, roles by the other, in as few exchanges as possible.

Single flight: a session that is wanted twice is got once, and all its clients wait for the same answer.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from mayfly.config.model import Config
from mayfly.daemon.events import Events
from mayfly.daemon.keeper import common_errors
from mayfly.daemon.keeper.exchanges import Exchanges
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.login_lane import LoginLane
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.daemon.keeper.role_lane import RoleLane
from mayfly.daemon.keeper.spare import Spare
from mayfly.daemon.keeper.verification import Verification
from mayfly.daemon.keeper.wanted import Answer, WantedSessions, answered
from mayfly.daemon.launcher import Launcher
from mayfly.daemon.tasks import Tasks


class Lanes:
    """The two lanes and their table of wanted sessions."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        launch: Launcher,
        clock: Callable[[], datetime],
        events: Events,
        look_now: asyncio.Event,
        tasks: Tasks,
        presence: PresenceWatch,
        verification: Verification,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._tasks = tasks
        self.wanted = WantedSessions(look_now.set)
        self._spare = Spare(launch, tasks)
        self._exchanges = Exchanges(
            ledger,
            self.wanted,
            launch=self._spare.launch,
            clock=clock,
            events=events,
            presence=presence,
            verification=verification,
            on_result=self._on_result,
        )
        self._roles = RoleLane(ledger, self.wanted, self._exchanges, clock=clock, tasks=tasks, on_end=self._start)
        self._logins = LoginLane(
            ledger,
            self.wanted,
            self._exchanges,
            clock=clock,
            presence=presence,
            tasks=tasks,
            on_locked=self._roles.fail_without_source,
            on_end=self._start,
        )

    def want(self, name: str) -> Answer:
        """Want the session; it is got together with others that are wanted at the same time. Returns its answer."""
        if self._is_refused(name):
            return answered(common_errors.stopping())
        answer = self.wanted.add(name, self._ledger.kind(name))
        self._exchanges.debounce.restart()
        self._logins.start()
        self._roles.start_for(name)
        return answer

    def foresee(self) -> None:
        """A login is about to be wanted: open its exchange now, if no other one is under way."""
        if not (self.wanted or self._exchanges.is_winding_up or self._exchanges.is_closed):
            self._spare.open()

    def _is_refused(self, name: str) -> bool:
        is_prompt = self._ledger.policy(name, self._clock()).asks_human
        return self._exchanges.is_closed or (self._exchanges.is_winding_up and is_prompt)

    def adopt(self, before: Config) -> None:
        """Follow a reload: rename what is wanted, and answer clients whose session changed or is gone."""
        self._spare.discard()
        new_names = self._ledger.current_names(before, self.wanted.names)
        for name in self.wanted.names:
            if name not in new_names:
                self.wanted.answer(name, common_errors.profile_changed(name))
        self.wanted.rename(new_names, lambda name: self._ledger.current_name(before, name))
        self._start()

    def wind_up(self) -> None:
        """Raise no prompt any more: sessions that need one are answered with an error."""
        self._exchanges.is_winding_up = True

    async def drain(self, seconds: float) -> None:
        """Wait up to `seconds` for the sessions that are wanted now."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.wanted:
                    await asyncio.wait(self.wanted.answers())

    async def close(self) -> None:
        """Answer every client, and end every exchange."""
        self._exchanges.is_closed = True
        for name in self.wanted.names:
            self.wanted.answer(name, common_errors.stopping())
        await self._tasks.end()

    def _start(self) -> None:
        """Start all logins and roles that can start now."""
        if not self._exchanges.is_closed:
            self._roles.fail_without_source()
            self._logins.start()
            self._roles.start()

    def _on_result(self) -> None:
        """Start roles that waited for the session that has just come, while its exchange goes on."""
        if not self._exchanges.is_closed:
            self._roles.start()
