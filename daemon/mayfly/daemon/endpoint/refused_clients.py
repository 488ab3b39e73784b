"""Tells the person which clients were refused, because many SDKs hide the text of an answer.

The event is `client.refused`, which becomes a notification: once for each profile and code, until a client of that
profile has got credentials. A client with a wrong token, or of a coding agent, is told once an hour, because others are
served meanwhile. Nothing is told while the screen is locked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from mayfly.daemon.events import Events
from mayfly.shared.errors import AgentRefused, GrantEnded, GrantNotAllowed, MayflyError, ScreenLocked


# Nothing is told while the screen is locked. A grant that asked has had its notification, and a person who ended a
# grant knows it.
_TOLD_ALREADY = (ScreenLocked, GrantNotAllowed, GrantEnded)

UNAUTHORIZED = "Unauthorized"
AGAIN_AFTER = timedelta(hours=1)


class RefusedClients:
    """Remembers what has been told."""

    def __init__(self, events: Events, clock: Callable[[], datetime]) -> None:
        self._events = events
        self._clock = clock
        self._told: set[tuple[str, str]] = set()
        self._told_at: dict[tuple[str, str], datetime] = {}

    def failed(self, profile: str, error: MayflyError) -> None:
        """A client got `error` in the place of credentials."""
        if isinstance(error, AgentRefused):
            self._tell_hourly(profile, error.code, error.message, error.hint)
            return
        if isinstance(error, _TOLD_ALREADY) or (profile, error.code) in self._told:
            return
        self._told.add((profile, error.code))
        self._tell(profile, error.code, error.message, error.hint_for(profile))

    def unauthorized(self, profile: str) -> None:
        """A client sent no token for `profile`, or a wrong one."""
        hint = f'eval "$(mayfly env {profile})" anew where it runs'
        self._tell_hourly(profile, UNAUTHORIZED, "its token is missing, or counts no longer", hint)

    def served(self, profile: str) -> None:
        """A client got credentials: from now on a refusal is news again."""
        if self._told:
            self._told = {(name, code) for name, code in self._told if name != profile}

    def _tell_hourly(self, profile: str, code: str, reason: str, hint: str) -> None:
        now, told_at = self._clock(), self._told_at.get((profile, code))
        if told_at is None or not timedelta() <= now - told_at < AGAIN_AFTER:
            self._told_at[profile, code] = now
            self._tell(profile, code, reason, hint)

    def _tell(self, profile: str, code: str, reason: str, hint: str) -> None:
        self._events.warning("client.refused", profile=profile, code=code, reason=reason, hint=hint)
