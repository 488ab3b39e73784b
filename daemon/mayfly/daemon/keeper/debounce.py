"""Waiting for those who come together with the first."""

from __future__ import annotations

import asyncio


# Clients that start together are served by one exchange: it waits this long after the last of them. That costs nothing,
# because meanwhile its interpreter starts, and imports, for at least as long.
QUIET_SECONDS = 0.04
MAX_GATHER_SECONDS = 0.25


class Debounce:
    """Knows when the last one came."""

    def __init__(self) -> None:
        self._last_seconds = 0.0

    def note(self) -> None:
        """Somebody came."""
        self._last_seconds = asyncio.get_running_loop().time()

    async def over(self) -> None:
        """Wait until nobody has come for a moment, or for as long as it is bearable."""
        loop = asyncio.get_running_loop()
        until = loop.time() + MAX_GATHER_SECONDS
        while True:
            rest = min(self._last_seconds + QUIET_SECONDS, until) - loop.time()
            if rest <= 0:
                return
            await asyncio.sleep(rest)
