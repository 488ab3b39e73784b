"""What coverage follows of a test: the worker's own process, and those that the test starts."""

from __future__ import annotations

import os

from collections.abc import Iterator
from contextlib import contextmanager

import coverage


class _Following:
    """Whether coverage follows the processes that are started now."""

    processes = coverage.Coverage.current() is not None


following = _Following()

# With these a Python that is started from scratch is followed; it costs 150 ms, more than most of them take.
VARIABLES = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def follow_no_heirs() -> None:
    """From now on a process is followed if it is given these variables, and not because it inherits our environment.

    Most that do are clients and stand-ins of the tests, which run nothing of Mayfly's.
    """
    for name in VARIABLES:
        os.environ.pop(name, None)


@contextmanager
def followed(*, worker: bool, processes: bool) -> Iterator[None]:
    """Follow as much in the block. Nothing is followed if coverage does not run."""
    running = coverage.Coverage.current()
    if running and not worker:
        running.stop()
    following.processes = bool(running) and processes
    try:
        yield
    finally:
        following.processes = bool(running)
        if running and not worker:
            running.start()
