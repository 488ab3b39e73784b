"""Waiting on behalf of a profile: a reload that takes the profile's session away ends the wait at once.

The session itself may live on under another profile's name, so its own answer may be long in coming.
"""

from __future__ import annotations

import asyncio

from typing import Any, NamedTuple, TypeVar

from mayfly.config.model import Config
from mayfly.daemon.keeper.common_errors import profile_changed


T = TypeVar("T")


class _Wait(NamedTuple):
    """A profile, and the origin of the session that is waited for; None while no session is wanted yet."""

    profile: str
    origin: str | None


class ProfileWaits:
    """Knows every wait, and the config in force."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._waits: dict[asyncio.Future[None], _Wait] = {}

    async def result(self, future: asyncio.Future[T], profile: str, origin: str | None = None) -> T:
        """The future's result. Cancelling this wait does not cancel the future.

        Raises ConfigChanged as soon as the profile is not configured, or stands for another session than `origin`.
        """
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waits[changed] = _Wait(profile, origin)
        try:
            if not self._has_changed(self._waits[changed]):
                either: list[asyncio.Future[Any]] = [future, changed]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._has_changed(self._waits[changed]):
                raise profile_changed(profile)
        finally:
            del self._waits[changed]
        return future.result()

    def adopt(self, config: Config) -> None:
        """Follow a reload."""
        self._config = config
        for changed, wait in self._waits.items():
            if self._has_changed(wait) and not changed.done():
                changed.set_result(None)

    def _has_changed(self, wait: _Wait) -> bool:
        here = self._config.origins.get(wait.profile)
        return here is None or (wait.origin is not None and here != wait.origin)
