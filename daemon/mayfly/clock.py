"""The time, as the composition roots supply it."""

from __future__ import annotations

import time

from datetime import UTC, datetime, timedelta


class Clock:
    """The wall clock, but never backwards.

    A laptop's sleep counts; a clock that is set back does not lengthen a credential's life.
    """

    def __init__(self) -> None:
        self._last_at = datetime.now(UTC)
        self._last_seconds = _seconds_with_sleep()

    def __call__(self) -> datetime:
        """Now, as an aware UTC instant."""
        seconds = _seconds_with_sleep()
        run_on = self._last_at + timedelta(seconds=seconds - self._last_seconds)
        self._last_at = max(datetime.now(UTC), run_on)
        self._last_seconds = seconds
        return self._last_at


def _seconds_with_sleep() -> float:
    """A clock that nobody sets. Linux stops its monotonic clock in suspend, so there it is CLOCK_BOOTTIME."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)
