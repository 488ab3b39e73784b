"""How time passes: fast while something happens or is about to, and in leaps where nothing does.

A leap is a short sleep of the laptop: the daemon is stopped, the clock jumps, the daemon goes on, and the clients ask
at once. None is made while anything is under way or anybody lacks what somebody could approve, nor over an instant
that the daemon or the script has marked.
"""

from __future__ import annotations

import asyncio
import sys

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.soak.clients import Client
from tests.soak.stage import Stage
from tests.soak.tally import Tally
from tests.soak.week import Act

from mayfly.session import LAST_CHANCE_SECONDS


TICK_SECONDS = 0.01
MOST_LEAP = timedelta(minutes=30)
LEAST_LEAP = timedelta(seconds=30)
# Before a mark, time runs again; and after a leap, for as long as the daemon's longest rest.
MARGIN = timedelta(seconds=5)
DWELL_SIMULATED_SECONDS = 36


class Play:
    """One performance of a script."""

    def __init__(self, stage: Stage, tally: Tally, script: Sequence[Act], clients: Sequence[Client]) -> None:
        self._stage = stage
        self._tally = tally
        self._script = list(script)
        self._clients = clients
        self._prompts = 0
        self._quiet_since = 0.0

    async def run(self, ends_at: datetime) -> None:
        """Until then."""
        while (now := self._stage.clock.now()) < ends_at:
            await self._observe(now)
            for client in self._clients:
                client.act(now)
            if self._script and now >= self._script[0].at and not (self._script[0].waits and self._is_under_way()):
                self._perform(self._script.pop(0), now)
            elif self._is_settled() and not self._is_under_way() and not self._tally.is_somebody_without(now):
                await self._leap(ends_at)
            await asyncio.sleep(TICK_SECONDS)

    async def _observe(self, now: datetime) -> None:
        prompts = self._stage.world.vault.state()["prompts"]
        if prompts > self._prompts:
            self._tally.prompted(now, prompts - self._prompts)
            self._prompts = prompts
            self._tally.has_said_no, self._stage.will_say_no = self._stage.will_say_no, False
        is_asking = self._stage.is_busy
        ready = () if is_asking or not self._tally.is_somebody_without(now) else await self._stage.ready()
        self._tally.passed(now, is_asking=is_asking, ready=ready)

    def _perform(self, act: Act, now: datetime) -> None:
        _tell(now, act.what)
        if act.do:
            act.do(self._stage, self._tally, now)
        if act.sleeps_until:
            self._sleep(act.sleeps_until - now)
        self._stir()

    async def _leap(self, ends_at: datetime) -> None:
        marks = await self._marks()
        now = self._stage.clock.now()
        far = min([MOST_LEAP, *(mark - MARGIN - now for mark in (*marks, ends_at) if mark > now)])
        if far >= LEAST_LEAP:
            self._sleep(far)
        self._stir()

    def _sleep(self, length: timedelta) -> None:
        self._stage.freeze()
        try:
            # It may have started something since it was looked at.
            if not self._is_under_way():
                self._stage.clock.jump(length.total_seconds())
        finally:
            self._stage.thaw()

    async def _marks(self) -> list[datetime]:
        """Instants at which the script or the daemon may do something."""
        marks = [act.at for act in self._script[:1]]
        # Clients are to ask before what they have ends.
        marks += [
            end - timedelta(minutes=2) for end in self._tally.valid_until.values() if end > self._stage.clock.now()
        ]
        for profile in await self._stage.status():
            texts = [profile[name] for name in ("due_at", "retry_not_before_at", "expiration") if profile[name]]
            marks += [datetime.fromisoformat(text) for text in texts]
            if profile["expiration"]:
                marks.append(marks[-1] - timedelta(seconds=LAST_CHANCE_SECONDS))
        return marks

    def _is_under_way(self) -> bool:
        return self._stage.is_busy or any(client.is_waiting for client in self._clients)

    def _is_settled(self) -> bool:
        passed = asyncio.get_running_loop().time() - self._quiet_since
        return passed * self._stage.clock.rate >= DWELL_SIMULATED_SECONDS

    def _stir(self) -> None:
        self._quiet_since = asyncio.get_running_loop().time()


def _tell(now: datetime, what: str) -> None:
    print(f"{now:%a %H:%M} {what}", file=sys.stderr, flush=True)
