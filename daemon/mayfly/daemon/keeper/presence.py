"""The user's presence at the screen: one look at the desk serves all callers that ask at the same time."""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from mayfly.daemon.tasks import Tasks
from mayfly.shared.desk import ANSWER_SECONDS, Desk, Presence, Scene


# A look at the desk costs a process or two, so callers within this time share one.
SCENE_SECONDS = 1
# Every desk gives up by itself before that, and says why in `mayfly status`. This bound holds for any fault of a desk.
LOOK_SECONDS = 4 * ANSWER_SECONDS


class PresenceWatch:
    """Remembers the last scene; `see` renews it. `on_look` is called after each look, before anybody hears of it."""

    def __init__(
        self, desk: Desk, *, clock: Callable[[], datetime], tasks: Tasks, on_look: Callable[[Scene], None]
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._tasks = tasks
        self._on_look = on_look
        self._seen_at: datetime | None = None
        self._looking: asyncio.Task[None] | None = None
        self.scene = Scene()

    @property
    def is_fresh(self) -> bool:
        """True if the scene is less than a second old."""
        return self._seen_at is not None and (self._clock() - self._seen_at).total_seconds() < SCENE_SECONDS

    async def see(self, *, afresh: bool = False) -> Scene:
        """The scene, at most a second old, or seen `afresh`.

        A caller that is cancelled does not cancel the look for the others.
        """
        if self._looking is None and (afresh or not self.is_fresh):
            self._looking = self._tasks.spawn(self._look())
        if self._looking:
            await asyncio.wait([self._looking])
        return self.scene

    async def is_locked(self, *, afresh: bool = False) -> bool:
        """True if the screen is locked now, so that nobody may be prompted."""
        return (await self.see(afresh=afresh)).presence is Presence.LOCKED

    async def _look(self) -> None:
        """After LOOK_SECONDS without an answer presence is unknown, and counts as unchanged."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    self.scene = await self._desk.scene()
            self._seen_at = self._clock()
            self._on_look(self.scene)
        finally:
            self._looking = None
