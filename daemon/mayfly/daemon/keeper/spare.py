"""An exchange that is opened while the desk looks whether the screen is locked, before it is known whether one may run.

Its interpreter starts in that time, for which a person would otherwise wait. It gets no request before the desk has
answered, and ends without one if the screen is locked.
"""

from __future__ import annotations

import asyncio

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mayfly.daemon.launcher import Exchange, Launcher
from mayfly.daemon.tasks import Tasks


# Longer than a desk takes to answer, as a rule.
UNUSED_SECONDS = 5


class Spare:
    """A launcher whose next exchange can be opened ahead."""

    def __init__(self, launch: Launcher, tasks: Tasks) -> None:
        self._launch = launch
        self._tasks = tasks
        self._opened: _Opened | None = None

    def open(self) -> None:
        """Open an exchange for the next `launch`, unless one is open. It is closed if it is not used soon."""
        if self._opened is None:
            self._opened = _Opened(self._launch, self._tasks, self._forget)

    def discard(self) -> None:
        """Close the exchange that is open: it was launched for another config."""
        if self._opened:
            self._opened.expire()

    def _forget(self) -> None:
        self._opened = None

    @asynccontextmanager
    async def launch(self) -> AsyncIterator[Exchange]:
        """The exchange that is open, or a new one; raises what the launcher raises."""
        opened, self._opened = self._opened, None
        async with opened.used() if opened else self._launch() as exchange:
            yield exchange


class _Opened:
    """An exchange, opened and closed by a task of its own. Calls `on_unused` before it closes one that nobody uses."""

    def __init__(self, launch: Launcher, tasks: Tasks, on_unused: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._launch = launch
        self._on_unused = on_unused
        self._is_used = False
        self._exchange: asyncio.Future[Exchange] = loop.create_future()
        self._over: asyncio.Future[None] = loop.create_future()
        self._task = tasks.start(self._hold())
        loop.call_later(UNUSED_SECONDS, self.expire)

    def expire(self) -> None:
        """Close it, unless it is used."""
        if not (self._is_used or self._over.done()):
            self._on_unused()
            self._end()

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    async def _hold(self) -> None:
        try:
            async with self._launch() as exchange:
                self._exchange.set_result(exchange)
                await self._over
        except Exception as reason:
            if self._exchange.done():
                raise
            # Told to the one who uses it. If nobody does, the next launch meets it again.
            self._exchange.set_exception(reason)
            self._exchange.exception()
        finally:
            self._exchange.cancel()

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Exchange]:
        """The exchange, for the block; raises what the launcher raises."""
        self._is_used = True
        try:
            yield await asyncio.shield(self._exchange)
        finally:
            self._end()
            await self._task
