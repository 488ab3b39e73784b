"""Work that may block for ever, such as reading from a network home, in daemon threads, which are not joined at exit.

`asyncio.to_thread` is not for such work: its threads are joined when the loop and the interpreter end.
"""

from __future__ import annotations

import asyncio
import threading

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar


T = TypeVar("T")


class DaemonThread:
    """Runs functions one at a time, each in a daemon thread. While one hangs, no other is started."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()

    async def run(self, function: Callable[[], T], deadline_seconds: float) -> T:
        """The result of `function`, or its exception; raises TimeoutError after `deadline_seconds`.

        The thread of a function that is too late runs on, and its result is dropped.
        """
        async with asyncio.timeout(deadline_seconds):
            await self._free.acquire()
            return await self._started(function)

    def _started(self, function: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T] = loop.create_future()

        def end(deliver: Callable[[], None]) -> None:
            self._free.release()
            # The caller may have gone.
            if not ended.done():
                deliver()

        def work() -> None:
            try:
                outcome = partial(ended.set_result, function())
            except BaseException as reason:  # noqa: BLE001 - it is raised in the caller
                outcome = partial(ended.set_exception, reason)
            # The loop may have ended.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(end, outcome)

        threading.Thread(target=work, daemon=True).start()
        return ended
