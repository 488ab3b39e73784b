"""Waiting on behalf of a profile or a grant: a reload that takes the profile's session away ends the wait at once, and
so does the end of the grant.

The session itself may live on under another profile's name, so its own answer may be long in coming.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from mayfly.daemon.keeper.common_errors import gone, profile_changed
from mayfly.shared.errors import MayflyError


T = TypeVar("T")


class _Wait(NamedTuple):
    """A profile or a grant's subject, and the origin of the session that is waited for.

    The origin is None while no session is wanted yet.
    """

    profile: str
    origin: str | None


class ProfileWaits:
    """Knows every wait. `origin_of` returns the present origin of a profile's session or of a grant's, or None."""

    def __init__(self, origin_of: Callable[[str], str | None]) -> None:
        self._origin_of = origin_of
        self._waits: dict[asyncio.Future[MayflyError], _Wait] = {}

    async def result(self, future: asyncio.Future[T], profile: str, origin: str | None = None) -> T:
        """The future's result. Cancelling this wait does not cancel the future.

        Raises ConfigChanged as soon as the profile is not configured, or stands for another session than `origin`, and
        the error of `dismiss`.
        """
        changed: asyncio.Future[MayflyError] = asyncio.get_running_loop().create_future()
        wait = _Wait(profile, origin)
        self._waits[changed] = wait
        try:
            if not self._has_changed(wait):
                either: list[asyncio.Future[Any]] = [future, changed]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if changed.done():
                raise changed.result()
            if self._has_changed(wait):
                raise gone(profile)
        finally:
            del self._waits[changed]
        return future.result()

    def follow_reload(self) -> None:
        """End the waits for what a reload has taken away."""
        for changed, wait in self._waits.items():
            if self._has_changed(wait) and not changed.done():
                changed.set_result(profile_changed(wait.profile))

    def dismiss(self, subject: str, error: MayflyError) -> None:
        """End the waits for a grant's session with the error."""
        for changed, wait in self._waits.items():
            if wait.profile == subject and not changed.done():
                changed.set_result(error)

    def _has_changed(self, wait: _Wait) -> bool:
        here = self._origin_of(wait.profile)
        return here is None or (wait.origin is not None and here != wait.origin)
