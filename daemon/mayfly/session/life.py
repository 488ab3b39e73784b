"""One run of credentials by itself: how long it lives, and where in its life it stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

import attrs

from mayfly.session.demand import RefreshPolicy
from mayfly.shared.credentials import Credentials


# A life of three quarters of an hour, less what the answer took on its way; and what is kept of it for its users.
LONG_LIFE_SECONDS = 44 * 60
LONG_LIFE_WINDOW_SECONDS = 20 * 60


class Phase(Enum):
    """Where a session stands; DUE is inside the refresh window, and still good."""

    EMPTY = "empty"
    FRESH = "fresh"
    DUE = "due"
    EXPIRED = "expired"


@attrs.frozen(kw_only=True)
class Life:
    """Credentials, and who has had them.

    `issued_at` is by our clock; `skew_seconds` is AWS's clock minus ours; `jitter_seconds` makes the window begin
    earlier; `forgotten`: somebody wants them gone.
    """

    credentials: Credentials | None = None
    issued_at: datetime | None = None
    skew_seconds: float = 0
    jitter_seconds: float = 0
    last_fetched_at: datetime | None = None
    forgotten: bool = False

    def left_seconds(self, now: datetime) -> float:
        """Seconds until AWS ends the credentials; not positive where there are none."""
        if self.credentials is None:
            return 0
        return (self.credentials.expiration - now).total_seconds() - self.skew_seconds

    def ends_at(self) -> datetime | None:
        """When AWS ends the credentials, by our clock; None where there are none."""
        return self.credentials.expiration - timedelta(seconds=self.skew_seconds) if self.credentials else None

    def life_seconds(self) -> float:
        """How long AWS let them live, from the moment they were issued."""
        return self.left_seconds(self.issued_at) if self.issued_at else 0

    def window_seconds(self, policy: RefreshPolicy) -> float:
        """How long before their end new ones are wanted.

        A third of three quarters of an hour is the 15 minutes that clients are to be left with, and no time to answer.
        """
        life = self.life_seconds()
        least = LONG_LIFE_WINDOW_SECONDS if life >= LONG_LIFE_SECONDS else 0
        return max(least, min(policy.window_seconds, life / 3)) + self.jitter_seconds

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

    def is_kept(self, policy: RefreshPolicy) -> bool:
        """Whether the clock looks after it, and not its clients alone."""
        if policy.mode == "on-demand" or self.forgotten:
            return False
        return policy.mode == "always" or self.is_in_use()
