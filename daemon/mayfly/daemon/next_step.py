"""The next step of a session, in words for a person: what mayfly does next, or what the person can do."""

from __future__ import annotations

from datetime import datetime

from mayfly.session import Phase, Session
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared.errors import MayflyError


def next_step(profile: str, session: Session, policy: RefreshPolicy, *, in_flight: bool, now: datetime) -> str:
    """The next thing that happens, or that a person can do."""
    phase = session.phase(policy, now)
    if in_flight:
        return "waiting for 1Password and AWS" if policy.asks_human else "waiting for AWS"
    if session.last_error:
        return _next_try(profile, session, session.last_error, policy, now)
    if not session.is_renewed_by_clock(policy):
        is_empty = phase is Phase.EMPTY
        return (
            f"a client's first request, or 'mayfly login {profile}', gets credentials"
            if is_empty
            else "renewed when a client asks"
        )
    if phase is Phase.FRESH:
        return "renewed by itself"
    return "renewed as soon as somebody is there" if policy.asks_human else "renewed at once"


def _next_try(profile: str, session: Session, error: MayflyError, policy: RefreshPolicy, now: datetime) -> str:
    retry_at = session.retries_by_itself_at(policy, now)
    if retry_at is None:
        return error.hint_for(profile) or "tried again when a client asks"
    left = round((retry_at - now).total_seconds())
    if left > 0:
        return (
            f"tried again by itself in {left} s" if left < 100 else f"tried again by itself in {round(left / 60)} min"
        )
    return "tried again as soon as somebody is there" if policy.asks_human else "tried again by itself at once"
