"""What has happened to one run of credentials: each event takes the old value and returns the new one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

import attrs

from mayfly.session import backoff
from mayfly.session.demand import RefreshPolicy
from mayfly.session.life import Life
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import ConfigChanged, ConfigInvalid, MayflyError


MAX_JITTER_SECONDS = 60
NOTED_SECONDS = 1
VERIFY_AGAIN_SECONDS = 5 * 60
# Longer than the time between two questions to AWS, or a loop of rejections would not be known for one.
SOON_SECONDS = 2 * VERIFY_AGAIN_SECONDS


@attrs.frozen(kw_only=True)
class Record(Life):
    """One run of credentials, and what has happened to it.

    `failed_at` is by our clock, and `retry_after_seconds` counts from it. `was_reshown`: a prompt that nobody saw was
    shown again. `rejections` counts the sessions in a row, up to this one, that AWS refused soon after issuing them.
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
        """When the next try by clock or client may be, or None if nothing has failed."""
        return self.failed_at + timedelta(seconds=self.retry_after_seconds) if self.failed_at else None

    def cools(self, delay_seconds: float, now: datetime) -> bool:
        """Whether the last failure is not `delay_seconds` past."""
        return self.failed_at is not None and (now - self.failed_at).total_seconds() < delay_seconds

    def unlocked_since_failure(self, unlocked_at: datetime | None) -> bool:
        """A prompt that nobody saw is shown once more to whoever comes back; one that was dismissed, was seen."""
        if backoff.was_seen(self.last_error):
            return False
        return bool(unlocked_at and self.failed_at and unlocked_at > self.failed_at)

    def to_keep(self, policy: RefreshPolicy) -> Self:
        """What the next process must know of the session.

        Only in mode `always` does the clock get an empty session by itself, so only then a `forgot` must be known.
        """
        return attrs.evolve(self, forgotten=self.forgotten and policy.mode == "always")

    # Events

    def issued(self, credentials: Credentials, *, skew_seconds: float, jitter_seconds: float, now: datetime) -> Self:
        """New credentials came. Jitter takes a tenth of a short life at most, or they would be due when they come."""
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

        `jitter` from 0 to 1 spreads what nobody waits for; `unlocked_at`: who was there when it was made.
        """
        failures = self.consecutive_failures + 1
        left = self.left_seconds(now)
        return attrs.evolve(
            self,
            failed_at=now,
            consecutive_failures=failures,
            last_error=error,
            was_reshown=self.was_reshown or self.unlocked_since_failure(unlocked_at),
            retry_after_seconds=backoff.delay_seconds(
                error, policy, failures=failures, jitter=jitter, left_seconds=left
            ),
        )

    def fetched(self, now: datetime) -> Self:
        """A client was given the credentials, or waits for them; noted to the second, because it is said so often."""
        last = self.last_fetched_at
        if last and self.is_in_use() and not self.forgotten and 0 <= (now - last).total_seconds() < NOTED_SECONDS:
            return self
        return attrs.evolve(self, last_fetched_at=now, forgotten=False)

    def forgot(self) -> Self:
        """Somebody wants them gone; nothing comes back by itself."""
        return type(self)(forgotten=True)

    def rejected(self, error: MayflyError, policy: RefreshPolicy, now: datetime) -> Self:
        """AWS does not take these credentials any more: they are gone, and who used them still wants some.

        Where it has hardly ever taken those before them either, the next ones may fare no better: that is a failure
        like others.
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
        """AWS was asked about these credentials, or is being asked."""
        return attrs.evolve(self, verified_at=now)

    def alarmed(self, seconds: float) -> Self:
        """The people who use these credentials were told, `seconds` before their end."""
        return attrs.evolve(self, alarmed_seconds=seconds)

    def recalled(self, now: datetime) -> Self:
        """A new process takes the session over from an earlier one, whose clock may have run ahead of ours.

        Without live credentials only a failure, a rejection or a `forgot` is worth going on with.
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
        """The config was read again, and is sound: that it had changed, or was not, is no error any more."""
        return self.absolved() if isinstance(self.last_error, ConfigChanged | ConfigInvalid) else self

    def absolved(self) -> Self:
        """What failed before no longer counts: its cause is gone."""
        return attrs.evolve(
            self,
            failed_at=None,
            retry_after_seconds=0,
            consecutive_failures=0,
            last_error=None,
            was_reshown=False,
        )

    def asked_by_person(self) -> Self:
        """A person takes the matter in hand."""
        return attrs.evolve(self.absolved(), forgotten=False, rejections=0)


def _not_after(now: datetime, at: datetime | None) -> datetime | None:
    return min(at, now) if at else None
