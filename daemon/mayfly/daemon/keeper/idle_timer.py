"""What is to be done once nothing has been heard for a while."""

from __future__ import annotations

import asyncio

from collections.abc import Callable


# Results of roles that do not hang follow each other in tenths of a second.
SECONDS = 5


class IdleTimer:
    """Has `then` called when SECONDS have gone by since the last `heard`; not after `end`."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then
        self._timer: asyncio.TimerHandle | None = None

    def restart(self) -> None:
        """From now on, wait for the next sound."""
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(SECONDS, self._then)

    def cancel(self) -> None:
        """Wait for nothing any more."""
        if self._timer:
            self._timer.cancel()
