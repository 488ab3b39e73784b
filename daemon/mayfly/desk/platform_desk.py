"""The part of a desk that is the same on every platform."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime

from mayfly.shared.desk import Presence, Scene
from mayfly.shared.presence_history import PresenceHistory


class PlatformDesk(ABC):
    """A desk that runs in the user's session."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._history = PresenceHistory()

    def notes(self) -> list[str]:
        """None: it runs in the process that asks, so it always answers."""
        return []

    async def scene(self) -> Scene:
        """By the platform's own signs of presence."""
        return self._history.scene(await self.presence(), self._clock())

    @abstractmethod
    async def presence(self) -> Presence | None:
        """The presence now; None if the platform does not say in time."""
