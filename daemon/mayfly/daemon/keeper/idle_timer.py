"""A call that is made once an exchange has been silent for a while."""

from __future__ import annotations

import asyncio

from collections.abc import Callable


# Results of roles follow each other within tenths of a second, unless a role hangs.
SECONDS = 5


class IdleTimer:
    """Calls `then` when SECONDS have passed since the last `restart`, unless it was cancelled."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then
        self._timer: asyncio.TimerHandle | None = None

    def restart(self) -> None:
        """Begin the silence anew."""
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(SECONDS, self._then)

    def cancel(self) -> None:
        """Make no call."""
        if self._timer:
            self._timer.cancel()
