"""Leave to prompt: the daemon saw an open screen when it asked us; after a wait, or a sleep, it has to look again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime


GOOD_FOR_SECONDS = 1


class PromptPermission:
    """What the daemon lets us do: for a second from when it asked, and again whenever `ask` has returned.

    `ask` raises where the daemon does not say yes.
    """

    def __init__(self, ask: Callable[[], None], clock: Callable[[], datetime]) -> None:
        self._ask = ask
        # The wall's: unlike a monotonic clock it goes on while a laptop sleeps.
        self._clock = clock
        self._given_at = clock()

    def check(self) -> None:
        """Be sure that somebody may be prompted now."""
        if abs((self._clock() - self._given_at).total_seconds()) > GOOD_FOR_SECONDS:
            self._ask()
            self._given_at = self._clock()
