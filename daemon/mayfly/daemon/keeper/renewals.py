"""Starting renewals: asks the core whether the clock, a client or a person may have new credentials now.

Law: a renewal is started in a task of the engine's own. If a client goes away, or its patience ends, only its wait is
cancelled, not the renewal.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from mayfly.daemon.events import Events
from mayfly.daemon.keeper.common_errors import gone, grant_ended, stopping
from mayfly.daemon.keeper.lanes import Lanes
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.daemon.keeper.wanted import Answer, PersonsRequest, answered
from mayfly.daemon.tasks import Tasks
from mayfly.session import Phase, screen_lock
from mayfly.session.trigger import Requester, Trigger
from mayfly.shared.desk import Scene
from mayfly.shared.errors import ExchangeFailed, MayflyError


class Asking(NamedTuple):
    """A wish for new credentials: the profile or the grant's subject, and who asks.

    `person`: the request of `mayfly login`. `min_life_seconds`: how long the credentials must live.
    """

    profile: str
    trigger: Trigger
    requester: Requester
    person: PersonsRequest | None = None
    min_life_seconds: float = 0


# Until the desk has been asked, the user counts as present.
_PRESENT = Scene()


class Started(NamedTuple):
    """The answer that a client or a person waits for, and the origin of the session that it was started for."""

    answer: Answer
    origin: str | None


class Renewals:
    """Starts renewals, on behalf of the clock, clients and people."""

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
        self._starting = 0

    @property
    def is_starting(self) -> bool:
        """True while it is not yet decided whether a client or a person that has asked may have credentials."""
        return self._starting > 0

    def start(self, asking: Asking) -> asyncio.Future[Started]:
        """Start a renewal for a client or a person, in a task of the engine's own."""
        started: asyncio.Future[Started] = asyncio.get_running_loop().create_future()

        def ended(task: asyncio.Task[None]) -> None:
            """Answer even if the task failed or was cancelled: it may not have begun when the engine ends."""
            self._starting -= 1
            if not started.done():
                fault = ExchangeFailed("nothing was started, by a fault of mayfly's own")
                started.set_result(Started(answered(stopping() if task.cancelled() else fault), None))

        self._starting += 1
        self._tasks.spawn(self._start(asking, started)).add_done_callback(ended)
        return started

    def wake(self, name: str, asking: Asking, now: datetime) -> None:
        """A client was given credentials: start a renewal in the background, if they are due and there may be one."""
        if name in self._waking or name in self._wanted:
            return
        if self._ledger[name].may_renew(self._ledger.policy(name, now), Trigger.CLIENT, _PRESENT, now):
            self._waking.add(name)
            self._tasks.spawn(self._wake(name, asking))

    def want(
        self,
        name: str,
        trigger: Trigger,
        now: datetime,
        person: PersonsRequest | None = None,
        min_life_seconds: float = 0,
    ) -> Answer | None:
        """Want the session, if `trigger` may have it. Returns its answer, or None."""
        answer = self._wanted.answer_of(name) or self._want_anew(name, trigger, now, person, min_life_seconds)
        if answer and person:
            self._wanted.mark_person(name, person)
            if not self._ledger.has_source(name, now):
                self._wanted.mark_person(self._ledger.base(name), person)
        return answer

    def _want_anew(
        self, name: str, trigger: Trigger, now: datetime, person: PersonsRequest | None, min_life_seconds: float
    ) -> Answer | None:
        is_wanted = self._ledger[name].may_renew(
            self._ledger.policy(name, now),
            trigger,
            self._presence.scene,
            now,
            needed_until=self._ledger.needed_until(name, now),
            through_lock=bool(person and person.through_lock and person.holds),
            min_life_seconds=min_life_seconds,
        )
        if not is_wanted:
            return None
        if not self._ledger.has_source(name, now) and not self.want(self._ledger.base(name), trigger, now, person):
            return None
        return self._lanes.want(name)

    def join_grants(self, now: datetime) -> None:
        """A grant's session is renewed now: renew those of other grants that are due soon, by the same exchange."""
        for name in self._ledger.names:
            is_free = self._ledger.links.grant(name) and name not in self._wanted and self._ledger.has_source(name, now)
            policy, scene = self._ledger.policy(name, now), self._presence.scene
            if is_free and self._ledger[name].may_join_grants(policy, scene, now):
                self._lanes.want(name)

    # Tasks

    async def _start(self, asking: Asking, started: asyncio.Future[Started]) -> None:
        try:
            started.set_result(await self._started(asking))
        except MayflyError as error:
            started.set_result(Started(answered(error), None))

    async def _started(self, asking: Asking) -> Started:
        """Look who is present, and want the session; raises a MayflyError where the profile or grant is gone."""
        name = self._name_of(asking.profile)
        if asking.trigger is Trigger.CLIENT:
            self._ledger.note_fetch(name, self._clock())
        passes_lock = asking.person and asking.person.through_lock
        asks_human = self._ledger.policy(name, self._clock()).asks_human
        if self._heeds_lock(name) or (asks_human and not passes_lock):
            self._foresee_login(name, asking.trigger)
            await self._presence.see()
        name = self._name_of(asking.profile)
        is_person = asking.trigger is Trigger.PERSON
        answer = self._for_person(name, asking) if is_person else self._for_client(name, asking)
        return Started(answer, self._ledger.links.origin(asking.profile))

    def _foresee_login(self, name: str, trigger: Trigger) -> None:
        """Have an exchange opened while the desk looks, if the screen alone can be in the way of a login."""
        base, now = self._ledger.base(name), self._clock()
        policy, scene = self._ledger.policy(base, now), self._presence.scene
        if not self._presence.is_fresh and self._ledger[base].may_renew(policy, trigger, scene, now):
            self._lanes.foresee()

    def _heeds_lock(self, name: str) -> bool:
        """True if a lock forbids credentials that are needed for `name`."""
        now = self._clock()
        return any(screen_lock.heeds_lock(self._ledger.policy(link, now).on_lock) for link in self._ledger.chain(name))

    def _for_client(self, name: str, asking: Asking) -> Answer:
        """The answer for a client: at once if the credentials are FRESH, because another request was faster."""
        now = self._clock()
        is_enough = self._ledger.usable(name, now) and self._ledger[name].lasts(asking.min_life_seconds, now)
        if is_enough and self._ledger.phase(name, now) is Phase.FRESH:
            return answered(None)
        return self._want_for_client(name, asking) or self._refused(name)

    def _for_person(self, name: str, asking: Asking) -> Answer:
        """The answer for a person. Earlier failures no longer count, unless the locked screen is in the way."""
        answer = self.want(name, asking.trigger, self._clock(), asking.person)
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
        """Want the session for a client. Announces a prompt, under the profile and the grant that it asked for."""
        now = self._clock()
        is_prompt = self._ledger.policy(name, now).asks_human and self._ledger.base(name) not in self._wanted
        answer = self.want(name, Trigger.CLIENT, now, min_life_seconds=asking.min_life_seconds)
        if is_prompt and answer and not answer.done():
            self._announce(asking)
        return answer

    def _announce(self, asking: Asking) -> None:
        """Tell that a person is about to be prompted, and by whom."""
        found, (inode, pid) = self._ledger.links.grant(asking.profile), asking.requester
        if found:
            self._events.info("approval.wanted", profile=found.profile, label=found.label, inode=inode, pid=pid)
        else:
            self._events.info("approval.wanted", profile=asking.profile, inode=inode, pid=pid)

    def _name_of(self, profile: str) -> str:
        """The session that serves the profile or grant now; raises the error that says why there is none."""
        if profile not in self._ledger.links:
            raise gone(profile)
        return self._ledger.name_of(profile)

    def _refused(self, name: str) -> Answer:
        """The reason why nothing is started, as an answer."""
        now, base = self._clock(), self._ledger.base(name)
        if self._ledger.has_ended(name, now):
            return answered(grant_ended(name))
        for link in [name, base] if self._ledger.has_source(name, now) else [base, name]:
            error = self._ledger[link].refusal(self._ledger.policy(link, now), self._presence.scene)
            if error:
                return answered(error)
        return answered(ExchangeFailed("nothing was tried"))
