"""The clock that counts sleep."""

from __future__ import annotations

import time

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mayfly.shared.clock import Clock, seconds_with_sleep


START = datetime(2026, 1, 1, tzinfo=UTC)


def system(**clocks: float) -> Any:
    """A `time` module with these clocks: each has its reading as its number, but for the one that Python has always."""

    def fail() -> float:
        raise AssertionError("time.monotonic of macOS does not count sleep")

    return SimpleNamespace(monotonic=fail, clock_gettime=lambda number: number, **clocks)


@pytest.mark.parametrize(
    ("clocks", "seconds"),
    [
        ({"CLOCK_BOOTTIME": 7, "CLOCK_MONOTONIC_RAW": 4, "CLOCK_MONOTONIC": 4}, 7),  # Linux
        ({"CLOCK_MONOTONIC_RAW": 6, "CLOCK_MONOTONIC": 5, "CLOCK_UPTIME_RAW": 4}, 6),  # macOS
        ({"CLOCK_MONOTONIC": 5, "CLOCK_UPTIME": 4}, 5),
    ],
)
def test_the_clock_that_counts_sleep_is_chosen_by_name(clocks: dict[str, float], seconds: float) -> None:
    """CLOCK_BOOTTIME of Linux and CLOCK_MONOTONIC_RAW of macOS count sleep; time.monotonic counts it on neither."""
    assert seconds == seconds_with_sleep(system(**clocks))


def test_without_such_a_clock_pythons_own_is_used() -> None:
    """A system without clock_gettime has time.monotonic."""
    assert 3 == seconds_with_sleep(SimpleNamespace(monotonic=lambda: 3))


def test_this_machine_has_a_clock_that_runs() -> None:
    """The clock of this machine does not run backwards."""
    first = seconds_with_sleep()

    assert first <= seconds_with_sleep(time)


def test_sleep_counts_though_the_wall_clock_is_set_back() -> None:
    """After a night's sleep with the wall clock set back, the clock is a night later: credentials have expired."""
    macos = system(CLOCK_MONOTONIC_RAW=100, CLOCK_MONOTONIC=100, CLOCK_UPTIME_RAW=100)
    clock = Clock(wall=lambda: START, seconds=lambda: seconds_with_sleep(macos))
    macos.CLOCK_MONOTONIC_RAW += 8 * 3600

    assert START + timedelta(hours=8) == clock()
