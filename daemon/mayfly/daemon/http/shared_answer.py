"""An answer that takes work to make, made once for all requests that wait for it."""

from __future__ import annotations

import asyncio

from collections.abc import Awaitable, Callable

from mayfly.daemon.http.answer import Answer
from mayfly.daemon.tasks import take_exception


class SharedAnswer:
    """Makes an answer with `make`, one at a time. Requests that come before it begins share the result.

    A request that comes later waits for the next one, so that no answer is older than its request.
    """

    def __init__(self, make: Callable[[], Awaitable[Answer]]) -> None:
        self._make = make
        self._running: asyncio.Task[Answer] | None = None
        self._next: asyncio.Task[Answer] | None = None

    async def get(self) -> Answer:
        """The answer, or the exception of `make`."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
            self._next.add_done_callback(take_exception)
        # The others wait on if one client leaves.
        return await asyncio.shield(self._next)

    async def _run(self, before: asyncio.Task[Answer] | None) -> Answer:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._make()
