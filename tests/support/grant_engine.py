"""In the place of the keeper, for tests of grants alone."""

from __future__ import annotations

import asyncio

from mayfly.config.model import Config
from mayfly.daemon.keeper.grant_session import GrantSession
from mayfly.session.trigger import NOBODY, Requester, Trigger
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import MayflyError
from mayfly.shared.grant import profile_of
from support.engine import HOUR, at, credentials


class Engine:
    """Has credentials for every session that it knows."""

    def __init__(self, in_force: Config) -> None:
        self.config = in_force
        self.sessions: dict[str, GrantSession] = {}
        self.dismissed: dict[str, MayflyError] = {}
        self.error: MayflyError | None = None
        self.is_locked = False
        self.lives_seconds = HOUR
        self.obtained: list[tuple[str, float]] = []

    def admit(self, session: GrantSession) -> None:
        self.sessions[session.subject] = session

    def dismiss(self, subject: str, error: MayflyError) -> None:
        del self.sessions[subject]
        self.dismissed[subject] = error

    def keep(self, profile: str) -> Credentials | None:
        return credentials(at(self.lives_seconds)) if profile in {**self.config.profiles, **self.sessions} else None

    def heeds_lock(self, profile: str) -> bool:
        return self.config.profiles[profile_of(profile)].on_lock != "keep"

    async def is_withheld(self, profile: str) -> bool:
        await asyncio.sleep(0)
        return self.is_locked and self.heeds_lock(profile)

    async def obtain(
        self, profile: str, trigger: Trigger, requester: Requester = NOBODY, *, min_life_seconds: float = 0
    ) -> Credentials:
        del trigger, requester
        self.obtained.append((profile, min_life_seconds))
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return credentials(at(self.lives_seconds))
