"""Permission to prompt a person.

The daemon saw an unlocked screen when it sent its request. After a wait, or a sleep of the laptop, it must look again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime


VALID_SECONDS = 1


class PromptPermission:
    """The daemon's permission to prompt a person, which is valid for a second from its request on.

    `ask` asks the daemon for it again, and raises if the daemon does not say yes.
    """

    def __init__(self, ask: Callable[[], None], clock: Callable[[], datetime]) -> None:
        self._ask = ask
        # The wall clock: unlike a monotonic one it goes on while a laptop sleeps.
        self._clock = clock
        self._given_at = clock()

    def check(self) -> None:
        """Return once a person may be prompted."""
        if abs((self._clock() - self._given_at).total_seconds()) > VALID_SECONDS:
            self._ask()
            self._given_at = self._clock()
