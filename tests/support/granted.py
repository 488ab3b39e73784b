"""Grants on a stage: one for a role, as the daemon admits it, and what was ordered for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from mayfly.daemon.keeper.grant_session import GrantSession
from mayfly.shared.errors import AccessDenied
from mayfly.shared.grant import Narrowing
from support.engine import HOUR
from support.stage import Stage


READ_ONLY = Narrowing(policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",))
REVOKED = AccessDenied("the grant was revoked")
SUBJECT = "admin@0000000a"


def granted(
    stage: Stage, seconds: float = HOUR, profile: str = "admin", number: int = 10, **others: Any
) -> GrantSession:
    """A grant that was admitted, and ends in so many seconds."""
    parts: dict[str, Any] = {"label": "claude", "narrowing": READ_ONLY}
    ends_at = stage.now() + timedelta(seconds=seconds)
    found = GrantSession(profile, f"{number:08x}", ends_at=ends_at, **parts | others)
    stage.keeper.admit(found)
    return found


def lives(stage: Stage) -> list[dict[str, int]]:
    """The seconds that were ordered for grants, in each request that had any."""
    return [
        {name: order.seconds for name, order in asked.request.grants.items()}
        for asked in stage.asked
        if asked.request.grants
    ]
