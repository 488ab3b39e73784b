"""The life of one run of temporary credentials: the pure core.

Laws:
1. Whatever decides *when* lives in this file, and only here.
2. This file cannot read a clock, wait, or speak to anyone: `now` is an argument, and so is who is there.
3. A transition takes the old session and returns a new one.
4. An expired credential is never handed out.
5. A one-time code that STS has accepted or refused never goes out again (`first_usable_step`; the exchange applies it).

Theory of operation. A session's phase is derived from its credentials and the clock, never stored. Three things can
ask for new credentials: the clock, a client, a person; `wants` says whether this one may have them now. What it
answers depends on whether somebody would have to put down a finger. A machine's refresh costs nothing and happens
early; a person is asked only while they are there, and after a "no" only by themselves or by a client's request, ever
more seldom. Every method is level-triggered: called twice it says the same, called after a night's sleep it says what
is right now. The clock that feeds it never runs backwards (`clock.Clock`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

import attrs

from mayfly.credentials import Credentials
from mayfly.demand import Presence, RefreshPolicy, Scene, Trigger
from mayfly.errors import (
    ApprovalDismissed,
    AwsFailed,
    AwsUnreachable,
    ConfigChanged,
    MayflyError,
    OnePasswordOffline,
    ScreenLocked,
)


CODE_PERIOD_SECONDS = 30

LAST_CHANCE_SECONDS = 5 * 60
COMPANY_SECONDS = 60 * 60
MAX_JITTER_SECONDS = 60
LOOK_AGAIN_SECONDS = 30
ALARMS_SECONDS = (15 * 60, 5 * 60)
VERIFY_AGAIN_SECONDS = 5 * 60
OUTAGE_RETRY_SECONDS = 60

# No connection, or an answer that is none. (That AWS cannot be reached is found out before `op` is run.)
_OUTAGES = (AwsFailed, AwsUnreachable, OnePasswordOffline)


class Phase(Enum):
    """Where a session stands; DUE is inside the refresh window, and still good."""

    EMPTY = "empty"
    FRESH = "fresh"
    DUE = "due"
    EXPIRED = "expired"


@attrs.frozen(kw_only=True)
class Session:
    """One run of credentials, and what has happened to it.

    `issued_at` and `failed_at` are by our clock; `skew_seconds` is AWS's clock minus ours; `jitter_seconds` makes the
    window begin earlier; `retry_after_seconds` counts from `failed_at`.
    """

    credentials: Credentials | None = None
    issued_at: datetime | None = None
    skew_seconds: float = 0
    jitter_seconds: float = 0
    last_fetched_at: datetime | None = None
    failed_at: datetime | None = None
    retry_after_seconds: float = 0
    consecutive_failures: int = 0
    last_error: MayflyError | None = None
    forgotten: bool = False
    verified_at: datetime | None = None
    alarmed_seconds: float | None = None

    # What it is

    def left_seconds(self, now: datetime) -> float:
        """Seconds until AWS ends the credentials; not positive where there are none."""
        if self.credentials is None:
            return 0
        return (self.credentials.expiration - now).total_seconds() - self.skew_seconds

    def life_seconds(self) -> float:
        """How long AWS let them live, from the moment they were issued."""
        return self.left_seconds(self.issued_at) if self.issued_at else 0

    def window_seconds(self, policy: RefreshPolicy) -> float:
        """How long before their end new ones are wanted."""
        return min(policy.window_seconds, self.life_seconds() / 3) + self.jitter_seconds

    def phase(self, policy: RefreshPolicy, now: datetime) -> Phase:
        """Where the session stands at `now`."""
        left = self.left_seconds(now)
        if self.credentials is None:
            return Phase.EMPTY
        if left <= 0:
            return Phase.EXPIRED
        return Phase.DUE if left <= self.window_seconds(policy) else Phase.FRESH

    def usable(self, now: datetime) -> Credentials | None:
        """The credentials, if they have any life left (law 4)."""
        return self.credentials if self.left_seconds(now) > 0 else None

    def is_in_use(self) -> bool:
        """Whether anybody has fetched these very credentials."""
        return bool(self.issued_at and self.last_fetched_at and self.last_fetched_at >= self.issued_at)

    def retry_not_before_at(self) -> datetime | None:
        """When the next try by clock or client may be, or None if nothing has failed."""
        return self.failed_at + timedelta(seconds=self.retry_after_seconds) if self.failed_at else None

    # What may happen

    def wants(self, policy: RefreshPolicy, trigger: Trigger, scene: Scene, now: datetime) -> bool:
        """Whether new credentials are to be got now, on behalf of `trigger`."""
        if trigger is Trigger.PERSON:
            return True
        if self.phase(policy, now) is Phase.FRESH:
            return False
        if policy.asks_human and not self._may_disturb(trigger, scene, now):
            return False
        if trigger is Trigger.CLIENT:
            return not self._cools(self.retry_after_seconds, now)
        return self._renews_by_itself(policy, scene, now)

    def heeds_scene(self, policy: RefreshPolicy, now: datetime) -> bool:
        """Whether it can matter to the clock who is there now, or who comes back."""
        is_stuck = self.last_error and not (self.last_error.needs_human or self.last_error.retryable)
        is_fresh = self.phase(policy, now) is Phase.FRESH
        return policy.asks_human and not is_fresh and not is_stuck and self._is_kept(policy)

    def may_come_along(self, policy: RefreshPolicy, now: datetime) -> bool:
        """Whether these join a login of the same account that happens anyway.

        In use, past half their life, due within the hour.
        """
        left = self.left_seconds(now)
        until_due = left - self.window_seconds(policy)
        return (
            self.is_in_use()
            and not self._cools(self.retry_after_seconds, now)
            and until_due <= COMPANY_SECONDS
            and left <= self.life_seconds() / 2
        )

    def refusal(self, policy: RefreshPolicy, scene: Scene) -> MayflyError | None:
        """What to tell a client for whom nothing can be done now."""
        if policy.asks_human and scene.presence is Presence.LOCKED:
            return ScreenLocked("the screen is locked, so nobody is asked")
        return self.last_error

    def may_verify(self, policy: RefreshPolicy, now: datetime) -> bool:
        """Whether to ask AWS about credentials that seem not to be good; seldom, because it is a guess."""
        since = (now - self.verified_at).total_seconds() if self.verified_at else VERIFY_AGAIN_SECONDS
        return self.phase(policy, now) is Phase.FRESH and since >= VERIFY_AGAIN_SECONDS

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
            marks += [self.retry_after_seconds - ago, policy.retry_min_seconds - ago]
        return min([LOOK_AGAIN_SECONDS, *(mark for mark in marks if mark > 0)])

    def _cools(self, delay_seconds: float, now: datetime) -> bool:
        """Whether the last failure is not `delay_seconds` past."""
        return self.failed_at is not None and (now - self.failed_at).total_seconds() < delay_seconds

    def _may_disturb(self, trigger: Trigger, scene: Scene, now: datetime) -> bool:
        """Never through a locked screen; somebody who is away only for a client that has nothing left."""
        if scene.presence is Presence.AWAY:
            return trigger is Trigger.CLIENT and self.usable(now) is None
        return scene.presence is Presence.PRESENT

    def _is_kept(self, policy: RefreshPolicy) -> bool:
        """Whether the clock looks after it, and not its clients alone."""
        if policy.mode == "on-demand" or self.forgotten:
            return False
        return policy.mode == "always" or self.is_in_use()

    def _renews_by_itself(self, policy: RefreshPolicy, scene: Scene, now: datetime) -> bool:
        error = self.last_error
        if error is None or not self._is_kept(policy):
            return self._is_kept(policy)
        if error.needs_human:
            return self._asks_again(policy, scene, now)
        return error.retryable and not self._cools(self.retry_after_seconds, now)

    def _asks_again(self, policy: RefreshPolicy, scene: Scene, now: datetime) -> bool:
        """After a "no": once more, at one of few moments, however long clients must wait by then."""
        if self._cools(policy.retry_min_seconds, now):
            return False
        if self._last_chance(now) or self._unlocked_since_failure(scene):
            return True
        return self._failed_before_due(policy) and not self._cools(self.retry_after_seconds, now)

    def _failed_before_due(self, policy: RefreshPolicy) -> bool:
        """A "no" of hours ago, to somebody's own login, is no answer to what is asked now."""
        return self.failed_at is not None and self.left_seconds(self.failed_at) > self.window_seconds(policy)

    def _last_chance(self, now: datetime) -> bool:
        """Five minutes before the end, once: no try has been made since then."""
        left = self.left_seconds(now)
        failed_at = self.failed_at or now
        return 0 < left <= LAST_CHANCE_SECONDS < self.left_seconds(failed_at)

    def _unlocked_since_failure(self, scene: Scene) -> bool:
        """A prompt that nobody saw is shown once more to whoever comes back; one that was dismissed, was seen."""
        if isinstance(self.last_error, ApprovalDismissed):
            return False
        return bool(scene.unlocked_at and self.failed_at and scene.unlocked_at > self.failed_at)

    # What has happened

    def issued(self, credentials: Credentials, *, skew_seconds: float, jitter_seconds: float, now: datetime) -> Session:
        """New credentials came. Jitter takes a tenth of a short life at most, or they would be due when they come."""
        fresh = Session(
            credentials=credentials,
            issued_at=now,
            skew_seconds=skew_seconds,
            last_fetched_at=self.last_fetched_at,
        )
        most = min(MAX_JITTER_SECONDS, fresh.life_seconds() / 10)
        return attrs.evolve(fresh, jitter_seconds=min(jitter_seconds, most))

    def failed(self, error: MayflyError, policy: RefreshPolicy, *, jitter: float, now: datetime) -> Session:
        """An attempt ended without credentials; `jitter` from 0 to 1 spreads what nobody waits for."""
        failures = self.consecutive_failures + 1
        return attrs.evolve(
            self,
            failed_at=now,
            consecutive_failures=failures,
            last_error=error,
            retry_after_seconds=self._delay_seconds(error, policy, failures, jitter, now),
        )

    def fetched(self, now: datetime) -> Session:
        """A client was given the credentials, or waits for them."""
        return attrs.evolve(self, last_fetched_at=now, forgotten=False)

    def forgot(self) -> Session:
        """Somebody wants them gone; nothing comes back by itself."""
        return Session(forgotten=True)

    def rejected(self) -> Session:
        """AWS does not take these credentials any more."""
        return Session(last_fetched_at=self.last_fetched_at)

    def verified(self, now: datetime) -> Session:
        """AWS was asked about these credentials, or is being asked."""
        return attrs.evolve(self, verified_at=now)

    def alarmed(self, seconds: float) -> Session:
        """The people who use these credentials were told, `seconds` before their end."""
        return attrs.evolve(self, alarmed_seconds=seconds)

    def config_adopted(self) -> Session:
        """The config was read again: that it had changed is no error any more."""
        return self.asked_by_person() if isinstance(self.last_error, ConfigChanged) else self

    def asked_by_person(self) -> Session:
        """A person takes the matter in hand: what failed before no longer counts."""
        return attrs.evolve(
            self,
            failed_at=None,
            retry_after_seconds=0,
            consecutive_failures=0,
            last_error=None,
            forgotten=False,
        )

    def _delay_seconds(
        self, error: MayflyError, policy: RefreshPolicy, failures: int, jitter: float, now: datetime
    ) -> float:
        if error.retry_after_seconds is not None:
            return error.retry_after_seconds
        first = self._first_delay_seconds(error, policy)
        delay = min(first * 2.0 ** min(failures - 1, 16), _most_seconds(error, policy))
        if not error.retryable:
            return delay
        left = self.left_seconds(now)
        before_the_end = left / 2 if left > 1 else delay
        return min(delay * (1 - jitter / 2), before_the_end)

    def _first_delay_seconds(self, error: MayflyError, policy: RefreshPolicy) -> float:
        if error.retryable and not policy.asks_human:
            return policy.retry_min_seconds / 6
        return policy.retry_min_seconds * (2 if error.http_status == 400 else 1)


def _most_seconds(error: MayflyError, policy: RefreshPolicy) -> float:
    """Where a try asks nobody and burdens nobody, credentials are back a minute after the network is."""
    asks_nobody = isinstance(error, AwsUnreachable) or not policy.asks_human
    return OUTAGE_RETRY_SECONDS if asks_nobody and isinstance(error, _OUTAGES) else policy.retry_max_seconds


def first_usable_step(last_step: int | None, now_step: int) -> int:
    """The first 30 s step whose code may go out, after `last_step` was sent (law 5)."""
    return now_step if last_step is None else max(now_step, last_step + 1)
