"""Starting renewals: asks the core whether the clock, a client or a person may have new credentials now.

Law: what starts a renewal runs in a task of the engine's own. A client that goes away, or whose patience ends, takes
back nothing but its own waiting.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from mayfly.daemon.events import Events
from mayfly.daemon.keeper.checks import no_longer_there
from mayfly.daemon.keeper.lanes import Lanes
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.daemon.keeper.wanted import Answer, LockOverride, answered
from mayfly.daemon.tasks import Tasks
from mayfly.session import Phase
from mayfly.session.demand import Requester, Trigger
from mayfly.shared.desk import Scene
from mayfly.shared.errors import ExchangeFailed, MayflyError


class Asking(NamedTuple):
    """Somebody asks for new credentials. `override` is given by a person who may be asked through a locked screen."""

    profile: str
    trigger: Trigger
    requester: Requester
    override: LockOverride | None = None


class Started(NamedTuple):
    """What a client or a person waits for, and the origin of the session that it was started for."""

    answer: Answer
    origin: str | None


class Renewals:
    """Starts them."""

    def __init__(
        self,
        ledger: Ledger,
        lanes: Lanes,
        *,
        clock: Callable[[], datetime],
        events: Events,
        presence: PresenceWatch,
        tasks: Tasks,
    ) -> None:
        self._ledger = ledger
        self._lanes = lanes
        self._wanted = lanes.wanted
        self._clock = clock
        self._events = events
        self._presence = presence
        self._tasks = tasks
        self._waking: set[str] = set()

    def start(self, asking: Asking) -> asyncio.Future[Started]:
        """Start what a client or a person asks for."""
        started: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
        self._tasks.spawn(self._start(asking, started))
        return started

    def wake(self, name: str, asking: Asking) -> None:
        """A client was given credentials that are due: start a renewal in the background, if there may be one."""
        now = self._clock()
        is_due = self._ledger[name].wants(self._ledger.policy(name, now), Trigger.CLIENT, Scene(), now)
        if is_due and name not in self._waking and name not in self._wanted:
            self._waking.add(name)
            self._tasks.spawn(self._wake(name, asking))

    def want(self, name: str, trigger: Trigger, now: datetime, override: LockOverride | None = None) -> Answer | None:
        """Get the session if `trigger` may have it; what to wait for, or None where it may not."""
        answer = self._wanted.answer_of(name) or self._want_anew(name, trigger, now, override)
        if answer and trigger is Trigger.PERSON:
            self._wanted.mark_person(name, override)
            if not self._ledger.has_source(name, now):
                self._wanted.mark_person(self._ledger.base(name), override)
        return answer

    def _want_anew(self, name: str, trigger: Trigger, now: datetime, override: LockOverride | None) -> Answer | None:
        is_wanted = self._ledger[name].wants(
            self._ledger.policy(name, now),
            trigger,
            self._presence.scene,
            now,
            needed_until=self._ledger.needed_until(name, now),
            through_lock=bool(override and override.holds),
        )
        if not is_wanted:
            return None
        if not self._ledger.has_source(name, now) and not self.want(self._ledger.base(name), trigger, now, override):
            return None
        return self._lanes.want(name)

    # Tasks

    async def _start(self, asking: Asking, started: asyncio.Future[Started]) -> None:
        error: MayflyError = ExchangeFailed("nothing was started, by a fault of mayfly's own")
        try:
            started.set_result(await self._started(asking))
        except MayflyError as reason:
            error = reason
        finally:
            if not started.done():
                started.set_result(Started(answered(error), None))

    async def _started(self, asking: Asking) -> Started:
        """Look who is there, and want the session; raises ConfigChanged where it is not configured any more."""
        name = self._name_of(asking.profile)
        if asking.trigger is Trigger.CLIENT:
            self._ledger.note_fetch(name, self._clock())
        if self._ledger.policy(name, self._clock()).asks_human and not asking.override:
            await self._presence.see()
        name = self._name_of(asking.profile)
        is_person = asking.trigger is Trigger.PERSON
        answer = self._for_person(name, asking) if is_person else self._for_client(name, asking)
        return Started(answer, self._ledger.config.origins[asking.profile])

    def _for_client(self, name: str, asking: Asking) -> Answer:
        """What a client waits for; an answer at once, where others have got credentials meanwhile."""
        if self._ledger.phase(name, self._clock()) is Phase.FRESH:
            return answered(None)
        return self._want_for_client(name, asking) or self._refused(name)

    def _for_person(self, name: str, asking: Asking) -> Answer:
        """What a person waits for. Earlier failures no longer count, unless the screen is locked."""
        answer = self.want(name, asking.trigger, self._clock(), asking.override)
        if answer:
            self._ledger.clear_failures(name)
        return answer or self._refused(name)

    async def _wake(self, name: str, asking: Asking) -> None:
        try:
            await self._presence.see()
            if name in self._ledger:
                self._want_for_client(name, asking)
        finally:
            self._waking.discard(name)

    def _want_for_client(self, name: str, asking: Asking) -> Answer | None:
        """Want what a client may have, and tell if that raises a prompt: by the name that the client asked for."""
        now, requester = self._clock(), asking.requester
        is_prompt = self._ledger.policy(name, now).asks_human and self._ledger.base(name) not in self._wanted
        answer = self.want(name, Trigger.CLIENT, now)
        if is_prompt and answer and not answer.done():
            self._events.info("approval.wanted", profile=asking.profile, inode=requester.inode, pid=requester.pid)
        return answer

    def _name_of(self, profile: str) -> str:
        """The session that serves the profile now; raises ConfigChanged where a reload has taken the profile out."""
        if profile not in self._ledger.config.profiles:
            raise no_longer_there(profile)
        return self._ledger.name_of(profile)

    def _refused(self, name: str) -> Answer:
        """Why nothing is started, as an answer."""
        now = self._clock()
        policy, base = self._ledger.policy(name, now), self._ledger.base(name)
        for link in [name, base] if self._ledger.has_source(name, now) else [base, name]:
            error = self._ledger[link].refusal(policy, self._presence.scene)
            if error:
                return answered(error)
        return answered(ExchangeFailed("nothing was tried"))
