"""What the laws of the core and the engine are tried with: errors, lengths of time, and clocks that somebody sets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from hypothesis import strategies as st

from mayfly.shared.clock import Clock
from mayfly.shared.desk import Presence, Scene
from mayfly.shared.errors import (
    AccessDenied,
    ApprovalDismissed,
    ApprovalIgnored,
    AwsThrottled,
    MayflyError,
    OnePasswordHung,
    OnePasswordLocked,
    OnePasswordRateLimited,
    OnePasswordUnknown,
)
from support.engine import HOUR, at


ERRORS: list[MayflyError] = [
    ApprovalDismissed("no"),
    ApprovalIgnored("nobody"),
    OnePasswordLocked("locked"),
    AwsThrottled("slow down"),
    OnePasswordHung("no end"),
    OnePasswordRateLimited("later", retry_after_seconds=600),
    AccessDenied("not you"),
    OnePasswordUnknown("?"),
]


def up_to(*most_seconds: float) -> st.SearchStrategy[float]:
    """Lengths of time, each limit as often as the others."""
    return st.one_of(*(st.floats(0, most) for most in most_seconds))


SOME_TIME = up_to(90, HOUR, 40 * HOUR)
A_WHILE = up_to(2, 90, HOUR / 2)
A_STEP = st.floats(-2 * HOUR, 2 * HOUR)


class Sources:
    """Two clocks: one that somebody may set, and one that nobody can: `true_seconds`, or what `seconds` tells."""

    def __init__(self, seconds: Callable[[], float] | None = None) -> None:
        self.true_seconds = 0.0
        self.wall_offset_seconds = 0.0
        self._seconds = seconds

    def wall(self) -> datetime:
        return at(self.seconds() + self.wall_offset_seconds)

    def seconds(self) -> float:
        return self._seconds() if self._seconds else self.true_seconds

    def clock(self) -> Clock:
        return Clock(self.wall, self.seconds)


def changed(before: Scene, presence: Presence, now: datetime) -> Scene:
    """What the desk sees after somebody has come or gone, and the screen was locked or unlocked by that."""
    is_unlock = before.presence is Presence.LOCKED and presence is not Presence.LOCKED
    return Scene(presence=presence, unlocked_at=now if is_unlock else before.unlocked_at)
