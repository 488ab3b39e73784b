"""The life of temporary credentials: their end, their phase, and whether they are in use."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

import attrs

from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared.credentials import Credentials


# From a life of 45 minutes on (less the time that the answer took), the refresh window is at least 20 minutes.
LONG_LIFE_SECONDS = 44 * 60
LONG_LIFE_WINDOW_SECONDS = 20 * 60
SLACK_SECONDS = 60


class Phase(Enum):
    """The phase of a session. DUE: inside the refresh window, and still live."""

    EMPTY = "empty"
    FRESH = "fresh"
    DUE = "due"
    EXPIRED = "expired"


@attrs.frozen(kw_only=True)
class Life:
    """Credentials, and when they were issued and fetched.

    `issued_at` and `last_fetched_at` are by our clock. `skew_seconds` is AWS's clock minus ours. `jitter_seconds` makes
    the refresh window begin earlier. `forgotten`: the clock gets no new credentials before somebody asks.
    """

    credentials: Credentials | None = None
    issued_at: datetime | None = None
    skew_seconds: float = 0
    jitter_seconds: float = 0
    last_fetched_at: datetime | None = None
    forgotten: bool = False

    def left_seconds(self, now: datetime) -> float:
        """Seconds until the credentials expire; 0 where there are none."""
        if self.credentials is None:
            return 0
        return (self.credentials.expiration - now).total_seconds() - self.skew_seconds

    def ends_at(self) -> datetime | None:
        """The end of the credentials by our clock; None if there are none."""
        return self.credentials.expiration - timedelta(seconds=self.skew_seconds) if self.credentials else None

    def life_seconds(self) -> float:
        """The life that AWS gave, in seconds from the issue."""
        return self.left_seconds(self.issued_at) if self.issued_at else 0

    def window_seconds(self, policy: RefreshPolicy) -> float:
        """Seconds before their end at which the credentials become due.

        Clients are promised 15 minutes. A third of a life of 45 minutes is 15 minutes, too, so a window of a third
        would leave a person no time to answer a prompt.
        """
        life = self.life_seconds()
        least = LONG_LIFE_WINDOW_SECONDS if life >= LONG_LIFE_SECONDS else 0
        return max(least, min(policy.window_seconds, life / 3)) + self.jitter_seconds

    def phase(self, policy: RefreshPolicy, now: datetime) -> Phase:
        """The phase at `now`."""
        left = self.left_seconds(now)
        if self.credentials is None:
            return Phase.EMPTY
        if left <= 0:
            return Phase.EXPIRED
        return Phase.DUE if left <= self.window_seconds(policy) else Phase.FRESH

    def lasts(self, seconds: float, now: datetime) -> bool:
        """True if the credentials live for `seconds` more, to a minute: a full life is over before it is handed out."""
        left = self.left_seconds(now)
        return left > 0 and left >= seconds - SLACK_SECONDS

    def usable(self, now: datetime) -> Credentials | None:
        """The credentials, if they are live (law 4)."""
        return self.credentials if self.left_seconds(now) > 0 else None

    def is_in_use(self) -> bool:
        """True if a client has fetched these credentials. Fetches of earlier ones do not count."""
        return bool(self.issued_at and self.last_fetched_at and self.last_fetched_at >= self.issued_at)

    def is_renewed_by_clock(self, policy: RefreshPolicy) -> bool:
        """True if the clock renews the session, and not its clients alone. A forgotten one waits for a request."""
        return not self.forgotten and policy.is_kept_fresh(is_in_use=self.is_in_use())
