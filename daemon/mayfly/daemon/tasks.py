"""Background tasks of the daemon. A fault in one is logged, and ends nothing else."""

from __future__ import annotations

import asyncio

from collections.abc import Coroutine
from typing import Any, TypeVar

from mayfly.daemon.events import Events


T = TypeVar("T")


class Tasks:
    """Holds references to tasks (asyncio holds only weak ones), and logs those that fail as `task.failed`."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start `work` now."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start `work`, whose result or fault the caller awaits: shielded, where the caller may be cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def end(self) -> None:
        """Cancel all, and wait until they have cleaned up."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            # Not `gather`: since Python 3.12 it returns at once where all tasks are done, so none would leave the set.
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        fault = None if task.cancelled() else task.exception()
        if fault:
            self._events.error("task.failed", exc_info=fault)
