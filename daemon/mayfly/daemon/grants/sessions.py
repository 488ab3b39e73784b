"""The sessions that grants hand out: every call of grants to the engine."""

from __future__ import annotations

from typing import Protocol

from mayfly.config.model import Config
from mayfly.config.narrowing import with_end
from mayfly.daemon.grants.table import AGENT, ENV, FILE, Grant
from mayfly.daemon.keeper.grant_session import GrantSession
from mayfly.session.trigger import Requester, Trigger
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import GrantRefused, MayflyError


# A file cannot ask for new credentials, and what is in an environment is never renewed.
_REFRESH = {FILE: "always", ENV: "on-demand"}
# The one session of a grant as env may end this much before the grant: the time that the call to AWS took.
SPARE_SECONDS = 60


class Engine(Protocol):
    """The keeper, as far as grants need it. A session's name is a profile's, or a `grant.subject`."""

    @property
    def config(self) -> Config:
        """The config in force."""

    def admit(self, session: GrantSession) -> None:
        """Know the session of a grant from now on."""

    def dismiss(self, subject: str, error: MayflyError) -> None:
        """Drop the session of a grant; its waiting clients get `error`."""

    def keep(self, profile: str) -> Credentials | None:
        """Live credentials for a file that is to be fresh, or None; raises no prompt."""

    def heeds_lock(self, profile: str) -> bool:
        """True if a lock of the screen keeps the profile's credentials back."""

    async def is_withheld(self, profile: str) -> bool:
        """True if the screen is locked, and keeps the profile's credentials back."""

    async def obtain(
        self, profile: str, trigger: Trigger, requester: Requester = ..., *, min_life_seconds: float = 0
    ) -> Credentials:
        """Wait for credentials; raises the MayflyError that stands in the way."""


class Sessions:
    """A grant's own session, or the profile's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def config(self) -> Config:
        """The config in force."""
        return self._engine.config

    def admit(self, grant: Grant) -> None:
        """The grant is made, or taken up again."""
        if not grant.has_own_session or grant.ends_at is None:
            return
        session = GrantSession(
            profile=grant.profile,
            grant_id=grant.id,
            label=grant.label,
            # An agent's grant is made anew after its end, so the end must not cut off credentials that are in use.
            narrowing=grant.narrowing if grant.delivery == AGENT else with_end(grant.narrowing, grant.ends_at),
            ends_at=grant.ends_at,
            refresh=_REFRESH.get(grant.delivery, "while-used"),
        )
        self._engine.admit(session)

    def dismiss(self, grant: Grant, error: MayflyError) -> None:
        """The grant has ended: its waiting clients get `error`. A profile's own session goes on."""
        if grant.has_own_session:
            self._engine.dismiss(grant.session, error)

    def keep(self, grant: Grant) -> Credentials | None:
        """Live credentials from memory for the grant's file, or None; counts as a use."""
        return self._engine.keep(grant.session)

    def heeds_lock(self, grant: Grant) -> bool:
        """True if a lock of the screen keeps the grant's credentials back."""
        return self._engine.heeds_lock(grant.session)

    async def is_withheld(self, grant: Grant) -> bool:
        """True if the screen is locked, and keeps the grant's credentials back."""
        return await self._engine.is_withheld(grant.session)

    async def first(self, grant: Grant, pid: int) -> Credentials:
        """The grant's first credentials; raises the MayflyError that stands in the way, such as AWS's refusal."""
        is_whole = grant.delivery == ENV
        # The engine gives a grant's own session the right life by itself.
        least = grant.seconds if is_whole and not grant.has_own_session else 0
        found = await self._engine.obtain(grant.session, Trigger.CLIENT, Requester(pid=pid), min_life_seconds=least)
        if is_whole and grant.ends_at and (grant.ends_at - found.expiration).total_seconds() > SPARE_SECONDS:
            raise GrantRefused(f"AWS gave {grant.profile} less time than the grant has", hint="grant it for less")
        return found
