"""Background tasks of the daemon. A fault in one is logged, and ends nothing else."""

from __future__ import annotations

import asyncio

from collections.abc import Coroutine
from typing import Any, TypeVar

from mayfly.daemon.events import Events


T = TypeVar("T")


class TaskSet:
    """Holds references to running tasks, because asyncio holds only weak ones."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start `work`, whose result or fault the caller awaits: shielded, where the caller may be cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def start_for_clients(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start `work`, which callers await shielded. They get its fault; if all have gone, it is not logged."""
        task = self.start(work)
        task.add_done_callback(take_exception)
        return task

    async def finish(self) -> None:
        """Wait until all have ended."""
        while self._tasks:
            # Not `gather`: since Python 3.12 it returns at once where all tasks are done, so none would leave the set.
            await asyncio.wait(self._tasks)


def take_exception(task: asyncio.Task[Any]) -> None:
    """Mark it as seen: asyncio would log a traceback."""
    if not task.cancelled():
        task.exception()


class Tasks(TaskSet):
    """Starts background tasks, and logs those that fail as `task.failed`."""

    def __init__(self, events: Events) -> None:
        super().__init__()
        self._events = events

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start `work` now."""
        task = self.start(work)
        task.add_done_callback(self._log_fault)
        return task

    async def end(self) -> None:
        """Cancel all, and wait until they have cleaned up."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _log_fault(self, task: asyncio.Task[None]) -> None:
        fault = None if task.cancelled() else task.exception()
        if fault:
            self._events.error("task.failed", exc_info=fault)
