"""Keeps credentials back while the screen is locked, for profiles whose `on_lock` says so."""

from __future__ import annotations

from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.session import screen_lock
from mayfly.shared import grant
from mayfly.shared.errors import ScreenLocked


class LockGuard:
    """Knows from the last look at the screen what may be handed out."""

    def __init__(self, ledger: Ledger, presence: PresenceWatch) -> None:
        self._ledger = ledger
        self._presence = presence

    def is_open(self, profile: str) -> bool:
        """True if the profile's credentials may be handed out without another look at the screen."""
        on_lock = self._ledger.links.on_lock(profile)
        is_known = self._presence.is_fresh or not screen_lock.heeds_lock(on_lock)
        return is_known and not screen_lock.is_withheld(on_lock, self._presence.scene)

    def heeds(self, profile: str) -> bool:
        """True if a lock of the screen keeps the profile's credentials back."""
        return screen_lock.heeds_lock(self._ledger.links.on_lock(profile))

    async def is_shut(self, profile: str) -> bool:
        """True if the screen is locked, and keeps the profile's credentials back. Looks only where that can be."""
        if not self.heeds(profile):
            return False
        await self._presence.see()
        return screen_lock.is_withheld(self._ledger.links.on_lock(profile), self._presence.scene)

    async def look(self, profile: str) -> None:
        """Look at the screen if the profile heeds its lock; raises ScreenLocked."""
        if await self.is_shut(profile):
            withheld = grant.profile_of(profile)
            raise ScreenLocked(f"the screen is locked, and on_lock withholds {withheld} until it is unlocked")
