"""Waiting for clients that start together, so that one exchange serves them all."""

from __future__ import annotations

import asyncio


# How long an exchange waits after the last client before it is asked. That costs nothing, because its interpreter takes
# at least as long to start and to import.
QUIET_SECONDS = 0.04
MAX_DEBOUNCE_SECONDS = 0.25


class Debounce:
    """Knows when the last session was wanted."""

    def __init__(self) -> None:
        self._last_seconds = 0.0

    def restart(self) -> None:
        """A session is wanted: begin the quiet time anew."""
        self._last_seconds = asyncio.get_running_loop().time()

    async def wait(self) -> None:
        """Wait until the quiet time is over, MAX_DEBOUNCE_SECONDS at most."""
        loop = asyncio.get_running_loop()
        until = loop.time() + MAX_DEBOUNCE_SECONDS
        while True:
            rest = min(self._last_seconds + QUIET_SECONDS, until) - loop.time()
            if rest <= 0:
                return
            await asyncio.sleep(rest)
