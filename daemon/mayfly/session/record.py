"""The history of a session: each event takes the old value and returns the new one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

import attrs

from mayfly.session import backoff
from mayfly.session.life import Life
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import ConfigChanged, ConfigInvalid, MayflyError


MAX_JITTER_SECONDS = 60
NOTED_SECONDS = 1
VERIFY_AGAIN_SECONDS = 5 * 60
# A session that AWS rejects within this time counts as rejected soon. Longer than VERIFY_AGAIN_SECONDS, because a loop
# of rejections is found at that pace.
SOON_SECONDS = 2 * VERIFY_AGAIN_SECONDS


@attrs.frozen(kw_only=True)
class Record(Life):
    """Credentials, and what has happened to them.

    `failed_at` is by our clock, and `retry_after_seconds` counts from it. `was_reshown`: a prompt that nobody saw was
    shown again. `rejections` counts the sessions in a row, up to this one, that AWS refused soon after issuing them.
    `alarmed_seconds` is the last warning given, in seconds before the end.
    """

    failed_at: datetime | None = None
    retry_after_seconds: float = 0
    consecutive_failures: int = 0
    last_error: MayflyError | None = None
    was_reshown: bool = False
    rejections: int = 0
    verified_at: datetime | None = None
    alarmed_seconds: float | None = None

    def retry_not_before_at(self) -> datetime | None:
        """The earliest time of the next attempt by a client or the clock; None if nothing has failed."""
        return self.failed_at + timedelta(seconds=self.retry_after_seconds) if self.failed_at else None

    def is_cooling_off(self, delay_seconds: float, now: datetime) -> bool:
        """True if the last failure is less than `delay_seconds` old."""
        return self.failed_at is not None and (now - self.failed_at).total_seconds() < delay_seconds

    def is_unlocked_since_failure(self, unlocked_at: datetime | None) -> bool:
        """True if the screen was unlocked after a prompt that nobody saw. A dismissed prompt was seen."""
        if backoff.was_seen(self.last_error):
            return False
        return bool(unlocked_at and self.failed_at and unlocked_at > self.failed_at)

    def is_spent(self, policy: RefreshPolicy, now: datetime) -> bool:
        """True if the credentials are gone, nobody waits for others, and there is nothing to remember."""
        is_remembered = self.failed_at or self.forgotten or self.rejections
        return not (policy.mode == "always" or self.usable(now) or self.is_in_use() or is_remembered)

    def to_keep(self, policy: RefreshPolicy) -> Self:
        """The session as the next process must know it.

        Only in mode `always` does the clock renew an empty session, so only there `forgotten` is stored.
        """
        return attrs.evolve(self, forgotten=self.forgotten and policy.mode == "always")

    # Events

    def issued(self, credentials: Credentials, *, skew_seconds: float, jitter_seconds: float, now: datetime) -> Self:
        """New credentials came. The jitter is a tenth of their life at most, or they would be due at once."""
        fresh = type(self)(
            credentials=credentials,
            issued_at=now,
            skew_seconds=skew_seconds,
            last_fetched_at=self.last_fetched_at,
            verified_at=self.verified_at,
            rejections=0 if self.credentials else self.rejections,
        )
        most = min(MAX_JITTER_SECONDS, fresh.life_seconds() / 10)
        return attrs.evolve(fresh, jitter_seconds=min(jitter_seconds, most))

    def failed(
        self,
        error: MayflyError,
        policy: RefreshPolicy,
        *,
        jitter: float,
        now: datetime,
        unlocked_at: datetime | None = None,
    ) -> Self:
        """An attempt ended without credentials.

        `jitter`, from 0 to 1, spreads the retries of several sessions. `unlocked_at` is when the screen had last been
        unlocked at the time of the attempt.
        """
        failures = self.consecutive_failures + 1
        left = self.left_seconds(now)
        return attrs.evolve(
            self,
            failed_at=now,
            consecutive_failures=failures,
            last_error=error,
            was_reshown=self.was_reshown or self.is_unlocked_since_failure(unlocked_at),
            retry_after_seconds=backoff.delay_seconds(
                error, policy, failures=failures, jitter=jitter, left_seconds=left
            ),
        )

    def fetched(self, now: datetime) -> Self:
        """A client fetched the credentials, or waits for them. Noted once a second, because clients fetch often."""
        last = self.last_fetched_at
        if last and self.is_in_use() and not self.forgotten and 0 <= (now - last).total_seconds() < NOTED_SECONDS:
            return self
        return attrs.evolve(self, last_fetched_at=now, forgotten=False)

    def forgot(self) -> Self:
        """Drop everything; the clock gets no new credentials before somebody asks."""
        return type(self)(forgotten=True)

    def locked_away(self) -> Self:
        """The screen was locked, and the credentials must not outlive that: they are dropped, and refusals stay.

        The session counts as not in use, so that an unlock alone raises no prompt.
        """
        return type(self)(
            failed_at=self.failed_at,
            retry_after_seconds=self.retry_after_seconds,
            consecutive_failures=self.consecutive_failures,
            last_error=self.last_error,
            was_reshown=self.was_reshown,
            rejections=self.rejections,
            forgotten=self.forgotten,
        )

    def rejected(self, error: MayflyError, policy: RefreshPolicy, now: datetime) -> Self:
        """AWS no longer accepts the credentials: they are dropped, and the session still counts as in use.

        The first rejection soon after the issue is made up for at once. From the second in a row on, the next
        credentials would probably be rejected, too, so it counts as a failure with a delay.
        """
        gone = type(self)(issued_at=self.issued_at, last_fetched_at=self.last_fetched_at, verified_at=self.verified_at)
        if self.issued_at and (now - self.issued_at).total_seconds() >= SOON_SECONDS:
            return gone
        rejections = self.rejections + 1
        if rejections == 1:
            return attrs.evolve(gone, rejections=rejections)
        return attrs.evolve(
            gone,
            failed_at=now,
            consecutive_failures=rejections,
            rejections=rejections,
            last_error=error,
            retry_after_seconds=backoff.rejected_delay_seconds(policy, rejections),
        )

    def verified(self, now: datetime) -> Self:
        """AWS is being asked whether it accepts the credentials."""
        return attrs.evolve(self, verified_at=now)

    def warned(self, seconds: float) -> Self:
        """The warning of `seconds` before the end was given."""
        return attrs.evolve(self, alarmed_seconds=seconds)

    def recalled(self, now: datetime) -> Self:
        """A new process takes the session over.

        The earlier process's clock may have run ahead of ours, so no instant is later than `now`. Without live
        credentials only a failure, a rejection or `forgotten` is taken over.
        """
        if self.usable(now) is None and not (self.failed_at or self.forgotten or self.rejections):
            return type(self)()
        return attrs.evolve(
            self,
            credentials=self.usable(now),
            issued_at=_not_after(now, self.issued_at),
            last_fetched_at=_not_after(now, self.last_fetched_at),
            failed_at=_not_after(now, self.failed_at),
            verified_at=_not_after(now, self.verified_at),
        ).config_adopted()

    def config_adopted(self) -> Self:
        """A sound config was read: an error about a changed or an invalid one no longer counts."""
        return self.failures_cleared() if isinstance(self.last_error, ConfigChanged | ConfigInvalid) else self

    def failures_cleared(self) -> Self:
        """Earlier failures no longer count: their cause is gone."""
        return attrs.evolve(
            self,
            failed_at=None,
            retry_after_seconds=0,
            consecutive_failures=0,
            last_error=None,
            was_reshown=False,
        )

    def asked_by_person(self) -> Self:
        """A person asks for credentials: nothing that happened before stands in the way."""
        return attrs.evolve(self.failures_cleared(), forgotten=False, rejections=0)


def _not_after(now: datetime, at: datetime | None) -> datetime | None:
    return min(at, now) if at else None
