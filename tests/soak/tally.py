"""What is counted: prompts, who was there for them, and every second without valid credentials, by its cause.

The seconds are those of a client that keeps what it was given until its Expiration, as SDKs do. Only the daemon's
rests follow the simulated clock; processes start at the machine's own pace: `machine_seconds` leaves them time for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta


NOBODY = "nobody there"
OUTAGE = "outage of STS"
NO = "the human said no"
ASKING = "the human is being asked"
READY = "not asked for again yet"
OURS = "our fault"
CAUSES = (NOBODY, OUTAGE, NO, ASKING, READY, OURS)

# From somebody's coming back, or AWS's, to the daemon's next look and the exchange that it starts.
NOTICE_SECONDS = 45
# A prompt for credentials that live longer than the widest window is one too many.
WINDOW_SECONDS = 21 * 60

# The client of the profile with keys: a role is renewed without anybody.
WHAT_COSTS_A_PROMPT = "nsrc"

# Before the profile, in the name of a client that caches.
JOB = "job "

_NEVER = datetime.min.replace(tzinfo=UTC)


class Tally:
    """Told of everything; `has_said_no` is whether the last prompt was for nothing.

    `machine_seconds`, simulated, come on top of what the daemon has to notice a change.
    """

    def __init__(self, clients: tuple[str, ...], now: datetime, *, machine_seconds: float = 0) -> None:
        self._notice = timedelta(seconds=NOTICE_SECONDS + machine_seconds)
        self.presence = "locked"
        self.is_up = True
        self.changed_at = now
        self.has_said_no = False
        self.requests: Counter[int] = Counter()
        self.prompts = 0
        self.unseen = 0
        self.needless = 0
        self.seconds = dict.fromkeys(CAUSES, 0.0)
        self.faults: list[str] = []
        self.valid_until = dict.fromkeys(clients, _NEVER)
        self._last_at = now

    def changed(self, now: datetime, *, presence: str | None = None, is_up: bool | None = None) -> None:
        """The world is another one from now on."""
        self.presence = presence or self.presence
        self.is_up = self.is_up if is_up is None else is_up
        self.changed_at = now

    def answered(self, client: str, status: int, expiration: datetime | None) -> None:
        """A client has its answer."""
        self.requests[status] += 1
        if expiration:
            self.valid_until[client] = expiration

    def passed(self, now: datetime, *, is_asking: bool, ready: Collection[str] = ()) -> None:
        """Time has passed, in this state of the world; the daemon holds what is good for the profiles in `ready`."""
        for client, valid_until in self.valid_until.items():
            lost = (now - max(self._last_at, valid_until)).total_seconds()
            if lost > 0:
                is_ready = client.removeprefix(JOB) in ready
                cause = READY if is_ready else self._cause(now, is_asking=is_asking)
                self.seconds[cause] += lost
                if cause == OURS:
                    self.faults.append(f"{now:%a %H:%M:%S} {client}: {lost:.0f} s")
        self._last_at = now

    def prompted(self, now: datetime, times: int) -> None:
        """1Password has put up so many windows."""
        self.prompts += times
        if self.presence != "present":
            self.unseen += times
            self.faults.append(f"{now:%a %H:%M:%S} a prompt, and nobody there ({self.presence})")
        elif self.valid_until[WHAT_COSTS_A_PROMPT] - now > timedelta(seconds=WINDOW_SECONDS):
            self.needless += times
            self.faults.append(f"{now:%a %H:%M:%S} a needless prompt")

    def is_somebody_without(self, now: datetime) -> bool:
        """Whether a client lacks what somebody who is there could approve."""
        return self.presence == "present" and any(valid_until < now for valid_until in self.valid_until.values())

    @property
    def is_good(self) -> bool:
        """Whether nobody was asked in vain, and nobody went without for no reason."""
        return self.unseen == 0 and round(self.seconds[OURS]) == 0

    def _cause(self, now: datetime, *, is_asking: bool) -> str:
        has_just_changed = now - self.changed_at < self._notice
        if self.presence != "present":
            return NOBODY
        if not self.is_up:
            return OUTAGE
        if self.has_said_no:
            return NO
        return ASKING if is_asking or has_just_changed else OURS
