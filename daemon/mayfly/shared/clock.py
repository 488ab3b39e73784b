"""The clock that the composition roots supply."""

from __future__ import annotations

import time

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """The wall clock, but never backwards.

    A laptop's sleep counts; a clock that is set back does not lengthen a credential's life. `wall` may be set by
    anybody, `seconds` by nobody.
    """

    def __init__(self, wall: Callable[[], datetime] | None = None, seconds: Callable[[], float] | None = None) -> None:
        self._wall = wall or _wall
        self._seconds = seconds or _seconds_with_sleep
        self._last_at = self._wall()
        self._last_seconds = self._seconds()

    def __call__(self) -> datetime:
        """Now, as an aware UTC instant."""
        seconds = self._seconds()
        run_on = self._last_at + timedelta(seconds=seconds - self._last_seconds)
        self._last_at = max(self._wall(), run_on)
        self._last_seconds = seconds
        return self._last_at


def _wall() -> datetime:
    return datetime.now(UTC)


def _seconds_with_sleep() -> float:
    """A clock that nobody sets. Linux stops its monotonic clock in suspend, so there it is CLOCK_BOOTTIME."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)
