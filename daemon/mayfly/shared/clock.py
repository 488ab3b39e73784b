"""The clock that the composition roots supply."""

from __future__ import annotations

import time

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any


class Clock:
    """The wall clock, but never backwards.

    It counts a laptop's sleep, and a wall clock that is set back does not lengthen a credential's life. `wall` is a
    clock that can be set, `seconds` one that cannot.
    """

    def __init__(self, wall: Callable[[], datetime] | None = None, seconds: Callable[[], float] | None = None) -> None:
        self._wall = wall or _wall
        self._seconds = seconds or seconds_with_sleep
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


def seconds_with_sleep(system: Any = time) -> float:
    """Seconds by a clock that counts sleep and that nobody can set; `system` is the module `time`.

    time.monotonic counts sleep neither on Linux nor on macOS (mach_absolute_time). CLOCK_BOOTTIME does on Linux:
    clock_gettime(2). CLOCK_MONOTONIC_RAW and CLOCK_MONOTONIC do on macOS, CLOCK_UPTIME_RAW does not: clock_gettime(3).
    """
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC_RAW", "CLOCK_MONOTONIC"):
        if hasattr(system, name):
            return float(system.clock_gettime(getattr(system, name)))
    return float(system.monotonic())
