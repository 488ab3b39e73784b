"""The commands that hold grants. A held grant goes on while its command's connection is open.

A connection also breaks when the daemon restarts, or when it must make room for another one. So a grant that nobody
holds ends only after HOLD_SECONDS, in which its command can connect again.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable


HOLD_SECONDS = 30
# A timer may come a moment early.
_SPARE_SECONDS = 0.05


class Holds:
    """Who holds which grant, by its ID. `lost` is called with one that nobody has held for HOLD_SECONDS."""

    def __init__(self, lost: Callable[[str], None]) -> None:
        self._lost = lost
        self._held: dict[str, set[asyncio.Future[str]]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_stopping = False

    def expect(self, grant_id: str) -> None:
        """Nobody holds the grant: end it unless a command takes it within HOLD_SECONDS."""
        self._forget_timer(grant_id)
        call_later = asyncio.get_running_loop().call_later
        self._timers[grant_id] = call_later(HOLD_SECONDS + _SPARE_SECONDS, self._lost, grant_id)

    def take(self, grant_id: str) -> asyncio.Future[str]:
        """Hold the grant. The future's result is the cause of its end, or "" if the daemon stops."""
        self._forget_timer(grant_id)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if self._is_stopping:
            ended.set_result("")
        self._held.setdefault(grant_id, set()).add(ended)
        return ended

    def leave(self, grant_id: str, ended: asyncio.Future[str]) -> bool:
        """Let go of the grant. True if the grant goes on and nobody else holds it."""
        holders = self._held.get(grant_id, set())
        holders.discard(ended)
        if holders or ended.done():
            return False
        self._held.pop(grant_id, None)
        return not self._is_stopping

    def is_held(self, grant_id: str) -> bool:
        """True while a connection holds the grant."""
        return bool(self._held.get(grant_id))

    def end(self, grant_id: str, cause: str) -> None:
        """The grant has ended: tell those that hold it the cause."""
        self._forget_timer(grant_id)
        for ended in self._held.pop(grant_id, ()):
            if not ended.done():
                ended.set_result(cause)

    def stop(self) -> None:
        """The daemon stops: the grants go on in the next one."""
        self._is_stopping = True
        for timer in self._timers.values():
            timer.cancel()
        for grant_id in list(self._held):
            self.end(grant_id, "")

    def _forget_timer(self, grant_id: str) -> None:
        if timer := self._timers.pop(grant_id, None):
            timer.cancel()
