"""Decides whether the credentials of a session are renewed now. The laws are in the folder's docstring.

Theory of operation. A session's phase is derived from its credentials and the clock, never stored. Three triggers ask
for new credentials: the clock, a client, a person. `may_renew` says whether a trigger may have them now. The answer
depends on whether the renewal raises a prompt. A renewal without a prompt costs nothing and happens early. A prompt is
raised only while somebody is present; after a refusal, only for a person, or for a client after a growing delay, or for
the clock at few moments. Every method is level-triggered: it answers for `now` alone, so a second call answers alike,
and a call after a night's sleep is right. The clock that is asked for `now` never runs backwards (`clock.Clock`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from mayfly.session import backoff, screen_lock
from mayfly.session.backoff import LAST_CHANCE_SECONDS, ByItself
from mayfly.session.life import Phase
from mayfly.session.record import VERIFY_AGAIN_SECONDS, Record
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.session.trigger import Trigger
from mayfly.shared.codes import CODE_PERIOD_SECONDS
from mayfly.shared.desk import Presence, Scene
from mayfly.shared.errors import MayflyError, ScreenLocked


JOIN_WINDOW_SECONDS = 60 * 60
JOIN_MIN_AGE_SECONDS = 5 * 60
LOOK_AGAIN_SECONDS = 30
# A working day, from the first unlock on, and how old a session must be to gain by a renewal.
DAY_SECONDS = 12 * 60 * 60
TOP_UP_MIN_AGE_SECONDS = 60 * 60
WARNINGS_SECONDS = (15 * 60, 5 * 60)
# Sessions of grants that fall due within this time are renewed together: one exchange, not one for each.
TOGETHER_SECONDS = 60


@attrs.frozen(kw_only=True)
class Session(Record):
    """A profile's temporary credentials, with the decisions on their renewal."""

    def may_renew(
        self,
        policy: RefreshPolicy,
        trigger: Trigger,
        scene: Scene,
        now: datetime,
        *,
        needed_until: datetime | None = None,
        through_lock: bool = False,
        min_life_seconds: float = 0,
    ) -> bool:
        """True if `trigger` may have new credentials now.

        `needed_until` is the first end of a role in use that comes from this session. `through_lock`: the person may be
        prompted through a locked screen. `min_life_seconds`: the client needs credentials that live so long.
        """
        if screen_lock.is_dropped(policy.on_lock, scene) or self._is_past_use(policy, trigger, now):
            return False
        if trigger is Trigger.PERSON:
            return through_lock or not policy.asks_human or scene.presence is not Presence.LOCKED
        is_topped_up = trigger is Trigger.CLOCK and self._is_topped_up(policy, scene)
        is_enough = self.phase(policy, now) is Phase.FRESH and self.lasts(min_life_seconds, now)
        if is_enough and not is_topped_up:
            return False
        if policy.asks_human and not self._may_disturb(trigger, scene, now, min_life_seconds):
            return False
        if trigger is Trigger.CLIENT:
            return not self.is_cooling_off(self.retry_after_seconds, now)
        return is_topped_up or (
            self.is_renewed_by_clock(policy) and self._renews_by_itself(policy, scene, now, needed_until)
        )

    def retries_by_itself_at(self, policy: RefreshPolicy, now: datetime) -> datetime | None:
        """The time of the clock's next retry after a failure; None if there is none, or its time is not known yet."""
        if self.last_error is None or not self.is_renewed_by_clock(policy):
            return None
        when = backoff.by_itself(self.last_error, policy)
        if when is ByItself.AFTER_DELAY or (when is ByItself.WHILE_ALIVE and self.usable(now)):
            return self.retry_not_before_at()
        return None

    def needs_presence(self, policy: RefreshPolicy, now: datetime) -> bool:
        """True if presence affects the next attempt of the clock, or the credentials, so that the desk must be asked.

        A day begins after a night in which nobody was seen, so for `top_up` somebody is looked for all the time.
        """
        if policy.top_up:
            return True
        if policy.on_lock == screen_lock.FORGET and (self.credentials or self.is_renewed_by_clock(policy)):
            return True
        if not policy.asks_human or not self.is_renewed_by_clock(policy) or self.phase(policy, now) is Phase.FRESH:
            return False
        if self.last_error is None or backoff.by_itself(self.last_error, policy) is ByItself.AT_FEW_MOMENTS:
            return True
        return self.retries_by_itself_at(policy, now) is not None

    def may_join_login(self, policy: RefreshPolicy, now: datetime) -> bool:
        """True if another login of the same 1Password account renews the session too: that one prompts anyway.

        It must be in use, due within the hour, and not new. A session whose attempt has just failed is left out: its
        one-time password may be used up, and the login would wait for the next one.
        """
        age = (now - self.issued_at).total_seconds() if self.issued_at else 0
        until_due = self.left_seconds(now) - self.window_seconds(policy)
        return (
            self.is_in_use()
            and not self.is_cooling_off(max(self.retry_after_seconds, CODE_PERIOD_SECONDS), now)
            and until_due <= JOIN_WINDOW_SECONDS
            and age >= min(JOIN_MIN_AGE_SECONDS, self.life_seconds() / 10)
        )

    def may_join_grants(self, policy: RefreshPolicy, scene: Scene, now: datetime) -> bool:
        """True if the session of a grant is renewed together with that of another grant, which is due now."""
        if screen_lock.is_dropped(policy.on_lock, scene) or self._is_past_use(policy, Trigger.CLOCK, now):
            return False
        until_due = self.left_seconds(now) - self.window_seconds(policy)
        return self.is_renewed_by_clock(policy) and self.last_error is None and until_due <= TOGETHER_SECONDS

    def refusal(self, policy: RefreshPolicy, scene: Scene) -> MayflyError | None:
        """The reason why `may_renew` was False: the locked screen, or else the last failure."""
        if screen_lock.is_dropped(policy.on_lock, scene):
            return ScreenLocked()
        if policy.asks_human and scene.presence is Presence.LOCKED:
            return ScreenLocked()
        return self.last_error

    def may_verify(self, policy: RefreshPolicy, now: datetime, *, is_refused: bool = False) -> bool:
        """True if AWS may be asked now whether it still accepts the credentials: every five minutes at most.

        A client that returns early may have been refused by AWS. In the refresh window it has another reason to return,
        so only FRESH credentials are verified. `is_refused`: AWS did refuse a call, so any live ones are verified.
        """
        since = (now - self.verified_at).total_seconds() if self.verified_at else VERIFY_AGAIN_SECONDS
        is_doubtful = self.usable(now) is not None if is_refused else self.phase(policy, now) is Phase.FRESH
        return is_doubtful and since >= VERIFY_AGAIN_SECONDS

    def warning_seconds(self, policy: RefreshPolicy, now: datetime) -> float | None:
        """The warning that is due now, in seconds before the end of credentials in use, or None.

        None for a grant's: it ends when it was said to, and for the session below it there is a warning.
        """
        left, window = self.left_seconds(now), self.window_seconds(policy)
        given = self.alarmed_seconds or float("inf")
        due = [mark for mark in WARNINGS_SECONDS if 0 < left <= mark <= window and mark < given]
        expected = self.is_in_use() and (policy.mode != "on-demand" or self.last_error is not None)
        return min(due) if due and expected and policy.ends_at is None else None

    def look_again_seconds(self, policy: RefreshPolicy, now: datetime) -> float:
        """Seconds until time alone could change a decision, 30 at most."""
        left = self.left_seconds(now)
        ends = (self.window_seconds(policy), LAST_CHANCE_SECONDS, *WARNINGS_SECONDS, 0)
        marks = [left - end for end in ends]
        if self.failed_at:
            ago = (now - self.failed_at).total_seconds()
            marks += [
                delay - ago for delay in (self.retry_after_seconds, policy.retry_min_seconds, JOIN_WINDOW_SECONDS)
            ]
        if self.credentials and policy.on_lock == screen_lock.FORGET:
            marks.append(screen_lock.LOOK_SECONDS)
        return min([LOOK_AGAIN_SECONDS, *(mark for mark in marks if mark > 0)])

    def _is_past_use(self, policy: RefreshPolicy, trigger: Trigger, now: datetime) -> bool:
        """True if nobody could use new credentials, or gain by them: these last as long as their grant, to a minute."""
        if policy.ends_at is None:
            return False
        left = (policy.ends_at - now).total_seconds()
        return left <= 0 or (trigger is not Trigger.PERSON and self.lasts(left, now))

    def _may_disturb(self, trigger: Trigger, scene: Scene, now: datetime, min_life_seconds: float) -> bool:
        """True if the scene allows a prompt. With nobody there, only for a client without the credentials it needs."""
        if scene.presence is Presence.AWAY:
            return trigger is Trigger.CLIENT and not self.lasts(min_life_seconds, now)
        return scene.presence is Presence.PRESENT

    def _is_topped_up(self, policy: RefreshPolicy, scene: Scene) -> bool:
        """True if the session would end in the course of the day that has begun, and is renewed for that.

        It is tried once a day, for a session that was fetched, and not for one that was new when the day began.
        """
        began_at, issued_at, ends_at = scene.day_began_at, self.issued_at, self.ends_at()
        if not (policy.top_up and began_at and issued_at and ends_at) or self.forgotten or not self.is_in_use():
            return False
        was_tried = self.failed_at is not None and self.failed_at >= began_at
        was_new = (began_at - issued_at).total_seconds() < TOP_UP_MIN_AGE_SECONDS
        return not was_tried and not was_new and ends_at < began_at + timedelta(seconds=DAY_SECONDS)

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
        """True at the three moments when the clock prompts again after a refusal; the delay for clients does not count.

        (1) Five minutes before the end. (2) Once after an unlock, if nobody saw the prompt. (3) If the refusal is more
        than an hour old and came before the refresh window.
        """
        if self.is_cooling_off(policy.retry_min_seconds, now):
            return False
        if any(self._is_last_chance(end, now) for end in (self.ends_at(), needed_until) if end):
            return True
        if self.is_unlocked_since_failure(scene.unlocked_at) and not self.was_reshown:
            return True
        return self._failed_long_before_due(policy, now) and not self.is_cooling_off(self.retry_after_seconds, now)

    def _failed_long_before_due(self, policy: RefreshPolicy, now: datetime) -> bool:
        """True if the refused attempt was more than an hour ago and before the refresh window: an early login."""
        if self.failed_at is None or self.is_cooling_off(JOIN_WINDOW_SECONDS, now):
            return False
        return self.left_seconds(self.failed_at) > self.window_seconds(policy)

    def _is_last_chance(self, end: datetime, now: datetime) -> bool:
        """True in the last five minutes before `end`, as long as no attempt was made in them."""
        left = (end - now).total_seconds()
        left_at_failure = (end - (self.failed_at or now)).total_seconds()
        return 0 < left <= LAST_CHANCE_SECONDS < left_at_failure
