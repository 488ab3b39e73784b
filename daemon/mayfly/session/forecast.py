"""The forecast of the clock's next attempt, for people: what `Session.may_renew` will say while somebody is present."""

from __future__ import annotations

from datetime import datetime, timedelta

from mayfly.session import backoff
from mayfly.session.backoff import LAST_CHANCE_SECONDS, ByItself
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.session.session import JOIN_WINDOW_SECONDS, Session


def renewal_at(
    session: Session, policy: RefreshPolicy, now: datetime, *, needed_until: datetime | None = None
) -> datetime | None:
    """The time of the clock's next attempt, if it is later than `now` and somebody is present then.

    None if the clock makes no attempt before something else happens, or if only presence is missing. `needed_until` is
    as for `may_renew`.
    """
    if not session.is_renewed_by_clock(policy):
        return None
    end = session.ends_at()
    due_at = end - _seconds(session.window_seconds(policy)) if end else now
    ends = [end for end in (end, needed_until) if end and end > now]
    times = [max(at, due_at) for at in _times(session, policy, due_at, ends)]
    return min(times) if times and min(times) > now else None


def _times(session: Session, policy: RefreshPolicy, due_at: datetime, ends: list[datetime]) -> list[datetime]:
    """The times from which on the clock may try, as far as the refresh window allows."""
    if session.last_error is None or session.failed_at is None:
        return [due_at]
    if backoff.by_itself(session.last_error, policy) is ByItself.AT_FEW_MOMENTS:
        return _few_moments(session, policy, session.failed_at, ends)
    retry_at = session.failed_at + _seconds(session.retry_after_seconds)
    # Where only live credentials are renewed, the delay may be longer than their life.
    return [retry_at] if session.retries_by_itself_at(policy, max(retry_at, due_at)) else []


def _few_moments(session: Session, policy: RefreshPolicy, failed_at: datetime, ends: list[datetime]) -> list[datetime]:
    """The moments after a refusal: before each of `ends`, or long after it. The next unlock is unknown."""
    again_at = failed_at + _seconds(policy.retry_min_seconds)
    chances = [end - _seconds(LAST_CHANCE_SECONDS) for end in ends]
    times = [max(at, again_at) for at in chances if at > failed_at]
    if session.left_seconds(failed_at) > session.window_seconds(policy):
        times.append(failed_at + _seconds(max(JOIN_WINDOW_SECONDS, session.retry_after_seconds)))
    return times


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
