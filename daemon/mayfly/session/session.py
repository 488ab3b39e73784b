"""What may happen to one run of credentials, and what has happened. The laws are the room's.

Theory of operation. A session's phase is derived from its credentials and the clock, never stored. Three things can
ask for new credentials: the clock, a client, a person; `wants` says whether this one may have them now. What it
answers depends on whether somebody would have to put down a finger. A machine's refresh costs nothing and happens
early; a person is asked only while they are there, and after a "no" only by themselves or by a client's request, ever
more seldom. Every method is level-triggered: called twice it says the same, called after a night's sleep it says what
is right now. The clock that feeds it never runs backwards (`clock.Clock`).
"""

from __future__ import annotations

from datetime import datetime

import attrs

from mayfly.session import backoff
from mayfly.session.backoff import LAST_CHANCE_SECONDS, ByItself
from mayfly.session.codes import CODE_PERIOD_SECONDS
from mayfly.session.demand import RefreshPolicy, Trigger
from mayfly.session.life import Phase
from mayfly.session.record import VERIFY_AGAIN_SECONDS, Record
from mayfly.shared.desk import Presence, Scene
from mayfly.shared.errors import MayflyError, ScreenLocked


COMPANY_SECONDS = 60 * 60
COMPANY_MIN_AGE_SECONDS = 5 * 60
LOOK_AGAIN_SECONDS = 30
ALARMS_SECONDS = (15 * 60, 5 * 60)


@attrs.frozen(kw_only=True)
class Session(Record):
    """One run of credentials: whether it may be renewed, and for whom."""

    def wants(
        self,
        policy: RefreshPolicy,
        trigger: Trigger,
        scene: Scene,
        now: datetime,
        *,
        needed_until: datetime | None = None,
        through_lock: bool = False,
    ) -> bool:
        """Whether new credentials are to be got now, on behalf of `trigger`.

        `needed_until` is when the first role ends that stands on these and is in use; `through_lock`: a person may be
        asked through a locked screen.
        """
        if trigger is Trigger.PERSON:
            return through_lock or not policy.asks_human or scene.presence is not Presence.LOCKED
        if self.phase(policy, now) is Phase.FRESH:
            return False
        if policy.asks_human and not self._may_disturb(trigger, scene, now):
            return False
        if trigger is Trigger.CLIENT:
            return not self.cools(self.retry_after_seconds, now)
        return self.is_kept(policy) and self._renews_by_itself(policy, scene, now, needed_until)

    def retries_by_itself_at(self, policy: RefreshPolicy, now: datetime) -> datetime | None:
        """When the clock alone makes up for what failed; None where it does not, or at moments that are not known."""
        if self.last_error is None or not self.is_kept(policy):
            return None
        when = backoff.by_itself(self.last_error, policy)
        if when is ByItself.AFTER_DELAY or (when is ByItself.WHILE_ALIVE and self.usable(now)):
            return self.retry_not_before_at()
        return None

    def heeds_scene(self, policy: RefreshPolicy, now: datetime) -> bool:
        """Whether it can matter to the clock who is there now, or who comes back."""
        if not policy.asks_human or not self.is_kept(policy) or self.phase(policy, now) is Phase.FRESH:
            return False
        if self.last_error is None or backoff.by_itself(self.last_error, policy) is ByItself.AT_FEW_MOMENTS:
            return True
        return self.retries_by_itself_at(policy, now) is not None

    def may_come_along(self, policy: RefreshPolicy, now: datetime) -> bool:
        """Whether these join a login of the same account that happens anyway.

        In use, due within the hour, and not just come; nor just refused, for whose code may be used up, makes wait.
        """
        age = (now - self.issued_at).total_seconds() if self.issued_at else 0
        until_due = self.left_seconds(now) - self.window_seconds(policy)
        return (
            self.is_in_use()
            and not self.cools(max(self.retry_after_seconds, CODE_PERIOD_SECONDS), now)
            and until_due <= COMPANY_SECONDS
            and age >= min(COMPANY_MIN_AGE_SECONDS, self.life_seconds() / 10)
        )

    def refusal(self, policy: RefreshPolicy, scene: Scene) -> MayflyError | None:
        """What to tell a client for whom nothing can be done now."""
        if policy.asks_human and scene.presence is Presence.LOCKED:
            return ScreenLocked("the screen is locked, so nobody is asked")
        return self.last_error

    def may_verify(self, policy: RefreshPolicy, now: datetime, *, is_refused: bool = False) -> bool:
        """Whether to ask AWS about credentials that seem not to be good; seldom, because it is a guess.

        Who comes back for what is due has a reason for that; `is_refused`: AWS itself has given cause for doubt.
        """
        since = (now - self.verified_at).total_seconds() if self.verified_at else VERIFY_AGAIN_SECONDS
        is_doubtful = self.usable(now) is not None if is_refused else self.phase(policy, now) is Phase.FRESH
        return is_doubtful and since >= VERIFY_AGAIN_SECONDS

    def alarm_seconds(self, policy: RefreshPolicy, now: datetime) -> float | None:
        """How long before their end the people who use these credentials are to be told now, if they are."""
        left, window = self.left_seconds(now), self.window_seconds(policy)
        given = self.alarmed_seconds or float("inf")
        due = [mark for mark in ALARMS_SECONDS if 0 < left <= mark <= window and mark < given]
        expected = self.is_in_use() and (policy.mode != "on-demand" or self.last_error is not None)
        return min(due) if due and expected else None

    def look_again_seconds(self, policy: RefreshPolicy, now: datetime) -> float:
        """How long nothing can change by the clock alone, at most half a minute."""
        left = self.left_seconds(now)
        ends = (self.window_seconds(policy), LAST_CHANCE_SECONDS, *ALARMS_SECONDS, 0)
        marks = [left - end for end in ends]
        if self.failed_at:
            ago = (now - self.failed_at).total_seconds()
            marks += [delay - ago for delay in (self.retry_after_seconds, policy.retry_min_seconds, COMPANY_SECONDS)]
        return min([LOOK_AGAIN_SECONDS, *(mark for mark in marks if mark > 0)])

    def _may_disturb(self, trigger: Trigger, scene: Scene, now: datetime) -> bool:
        """Never through a locked screen; somebody who is away only for a client that has nothing left."""
        if scene.presence is Presence.AWAY:
            return trigger is Trigger.CLIENT and self.usable(now) is None
        return scene.presence is Presence.PRESENT

    def _renews_by_itself(
        self, policy: RefreshPolicy, scene: Scene, now: datetime, needed_until: datetime | None
    ) -> bool:
        if self.last_error is None:
            return True
        if backoff.by_itself(self.last_error, policy) is ByItself.AT_FEW_MOMENTS:
            return self._asks_again(policy, scene, now, needed_until)
        retry_at = self.retries_by_itself_at(policy, now)
        return retry_at is not None and retry_at <= now

    def _asks_again(self, policy: RefreshPolicy, scene: Scene, now: datetime, needed_until: datetime | None) -> bool:
        """After a "no": once more, at one of few moments, however long clients must wait by then."""
        if self.cools(policy.retry_min_seconds, now):
            return False
        if any(self._is_last_chance(end, now) for end in (self.ends_at(), needed_until) if end):
            return True
        if self.unlocked_since_failure(scene.unlocked_at) and not self.was_reshown:
            return True
        return self._failed_long_before_due(policy, now) and not self.cools(self.retry_after_seconds, now)

    def _failed_long_before_due(self, policy: RefreshPolicy, now: datetime) -> bool:
        """A "no" of hours ago, to somebody's own login, is no answer to what is asked now."""
        if self.failed_at is None or self.cools(COMPANY_SECONDS, now):
            return False
        return self.left_seconds(self.failed_at) > self.window_seconds(policy)

    def _is_last_chance(self, end: datetime, now: datetime) -> bool:
        """Five minutes before the end, once: no try has been made since then."""
        left = (end - now).total_seconds()
        left_at_failure = (end - (self.failed_at or now)).total_seconds()
        return 0 < left <= LAST_CHANCE_SECONDS < left_at_failure
