"""The clock's rounds: the regular look at each session, without a request."""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from mayfly.daemon.events import Events
from mayfly.daemon.keeper.common_errors import grant_ended
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.daemon.keeper.renewals import Renewals
from mayfly.daemon.keeper.wanted import WantedSessions
from mayfly.session import LOOK_AGAIN_SECONDS
from mayfly.session.trigger import Trigger


SHORTEST_REST_SECONDS = 0.05


class Rounds:
    """Looks after all sessions. Sessions of grants that nobody has used are not among them."""

    def __init__(
        self,
        ledger: Ledger,
        wanted: WantedSessions,
        renewals: Renewals,
        *,
        clock: Callable[[], datetime],
        events: Events,
        presence: PresenceWatch,
        look_now: asyncio.Event,
    ) -> None:
        self._ledger = ledger
        self._wanted = wanted
        self._renewals = renewals
        self._clock = clock
        self._events = events
        self._presence = presence
        self._look_now = look_now

    async def run(self, on_look: Callable[[], None], tick_seconds: float) -> None:
        """Look at the sessions until cancelled, at least every `tick_seconds`; calls `on_look` after each look.

        It never waits until an instant, so a suspend or a stepped clock needs no special case.
        """
        while True:
            await self.look()
            on_look()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(tick_seconds, self._rest_seconds())):
                    await self._look_now.wait()
                    # Each of many results sets the event: one look at all sessions serves those that come together.
                    await asyncio.sleep(SHORTEST_REST_SECONDS)
            self._look_now.clear()

    async def look(self) -> None:
        """Ask the core, for every session, whether the clock starts a renewal or a warning is due."""
        ledger, now = self._ledger, self._clock()
        if any(ledger[name].needs_presence(ledger.policy(name, now), now) for name in ledger.names):
            await self._presence.see()
            now = self._clock()
        self._drop_grants(now)
        is_grant_due = False
        for name in ledger.names:
            is_idle = name not in self._wanted
            answer = self._renewals.want(name, Trigger.CLOCK, now)
            is_grant_due |= is_idle and answer is not None and ledger.links.grant(name) is not None
            self._warn_of_end(name, now)
        if is_grant_due:
            self._renewals.join_grants(now)

    def _drop_grants(self, now: datetime) -> None:
        """Drop the sessions of grants that have ended, or that nobody has used to their end."""
        for name in filter(self._ledger.links.grant, self._ledger.names):
            if self._ledger.has_ended(name, now):
                self._ledger.drop(name)
                self._wanted.answer(name, grant_ended(name))
            elif name not in self._wanted and self._ledger[name].is_spent(self._ledger.policy(name, now), now):
                self._ledger.drop(name)

    def _warn_of_end(self, name: str, now: datetime) -> None:
        """Announce that credentials in use are about to expire."""
        seconds = self._ledger[name].warning_seconds(self._ledger.policy(name, now), now)
        if seconds is not None:
            self._ledger[name] = self._ledger[name].warned(seconds)
            left = round(self._ledger[name].left_seconds(now))
            self._events.warning("session.ending", profile=name, left_seconds=left)

    def _rest_seconds(self) -> float:
        now, ledger = self._clock(), self._ledger
        rests = (ledger[name].look_again_seconds(ledger.policy(name, now), now) for name in ledger.names)
        return max(SHORTEST_REST_SECONDS, min(rests, default=LOOK_AGAIN_SECONDS))
