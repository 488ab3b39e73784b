"""Has the service manager hold the sessions for the next process, each time they have changed."""

from __future__ import annotations

import asyncio

from collections.abc import Callable

from mayfly.daemon.tasks import Tasks
from mayfly.service.manager import Manager


# Sessions that change within this time are stored once more at its end, not once each. It is short, so that a session
# that somebody has just dropped by `mayfly forget` does not outlive a `kill -9`.
STORE_SECONDS = 0.02


class SessionStore:
    """Stores what `snapshot` returns. Does nothing without systemd, which is the only manager that holds sessions."""

    def __init__(self, manager: Manager, snapshot: Callable[[], bytes], tasks: Tasks) -> None:
        self._manager = manager
        self._snapshot = snapshot
        self._tasks = tasks
        self._storing: asyncio.Task[None] | None = None

    def store_soon(self) -> None:
        """Store the sessions now. If they change again within `STORE_SECONDS`, store them once more after that."""
        if self._manager.is_systemd and self._storing is None:
            self._storing = self._tasks.spawn(self._store_twice())

    async def store(self) -> None:
        """Store the sessions."""
        if self._manager.is_systemd:
            self._manager.keep(self._snapshot())

    async def _store_twice(self) -> None:
        try:
            await self.store()
            await asyncio.sleep(STORE_SECONDS)
        finally:
            self._storing = None
        await self.store()
