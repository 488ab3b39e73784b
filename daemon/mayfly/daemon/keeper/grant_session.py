"""The session of a grant: a role's session of its own, narrower and shorter, kept under the grant's own name."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from mayfly.shared import grant
from mayfly.shared.grant import Narrowing


class GrantSession(NamedTuple):
    """What the engine must know to get and keep the session of a grant.

    `profile` is a role that is assumed from another session. `refresh`: `while-used`, `always` by the clock, or
    `on-demand` for one session that covers the grant's time, up to the profile's `duration_seconds`.
    """

    profile: str
    grant_id: str
    label: str
    narrowing: Narrowing
    ends_at: datetime
    refresh: str = "while-used"

    @property
    def subject(self) -> str:
        """The session's name."""
        return grant.subject(self.profile, self.grant_id)
