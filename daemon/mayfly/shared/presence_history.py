"""What a desk remembers of the user's presence, from one look at the screen to the next."""

from __future__ import annotations

from datetime import datetime

from mayfly.shared.desk import Presence, Scene


# A working day begins when somebody is seen again after so long. By the clock on the wall it would begin at midnight
# for people who work late.
NIGHT_SECONDS = 4 * 60 * 60


class PresenceHistory:
    """The last known presence, the time of the last unlock, and the beginning of the day."""

    def __init__(self) -> None:
        self._last = Presence.PRESENT
        self._unlocked_at: datetime | None = None
        self._present_at: datetime | None = None
        self._day_began_at: datetime | None = None

    def scene(self, presence: Presence | None, now: datetime) -> Scene:
        """The scene at `now`; an unknown `presence` (None) counts as unchanged."""
        presence = presence or self._last
        if self._last is Presence.LOCKED and presence is not Presence.LOCKED:
            self._unlocked_at = now
        self._last = presence
        if presence is Presence.PRESENT:
            self._note_present(now)
        return Scene(presence=presence, unlocked_at=self._unlocked_at, day_began_at=self._day_began_at)

    def _note_present(self, now: datetime) -> None:
        if self._present_at and (now - self._present_at).total_seconds() >= NIGHT_SECONDS:
            self._day_began_at = now
        self._present_at = now
