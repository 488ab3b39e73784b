"""What coverage follows of a test: the worker's own process, and those that the test starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import coverage


class _Following:
    """Whether coverage follows the processes that are started now."""

    processes = coverage.Coverage.current() is not None


following = _Following()


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
