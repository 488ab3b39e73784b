"""The next attempt after a failure: by the clock or by a client, and after which delay.

Without a human prompt an attempt is free, so the clock retries after every kind of error, with exponential back-off:
1Password and AWS may be mended without notice. Where each attempt may raise a prompt, the kind of error decides.
"""

from __future__ import annotations

from enum import Enum

from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared.errors import (
    ApprovalDismissed,
    AwsFailed,
    AwsUnreachable,
    MayflyError,
    OnePasswordHung,
    OnePasswordOffline,
)


LAST_CHANCE_SECONDS = 5 * 60
OUTAGE_RETRY_SECONDS = 60
REJECTED_RETRY_SECONDS = 5 * 60

# No connection, or no usable answer.
_OUTAGES = (AwsFailed, AwsUnreachable, OnePasswordOffline)
_MOST_DOUBLINGS = 16


class ByItself(Enum):
    """The times when the clock may retry. A client waits for the delay only; a person waits for nothing."""

    AFTER_DELAY = "after the delay"
    WHILE_ALIVE = "after the delay, while the credentials live"
    AT_FEW_MOMENTS = "at few moments, because a person refused or did not answer"
    NEVER = "never"


def by_itself(error: MayflyError, policy: RefreshPolicy) -> ByItself:
    """The times when the clock may retry after `error`."""
    if not _may_prompt(error, policy):
        return ByItself.AFTER_DELAY
    if _is_no(error):
        return ByItself.AT_FEW_MOMENTS
    return ByItself.WHILE_ALIVE if error.retryable else ByItself.NEVER


def was_seen(error: MayflyError | None) -> bool:
    """True if a person saw the prompt, and answered it."""
    return isinstance(error, ApprovalDismissed)


def delay_seconds(
    error: MayflyError, policy: RefreshPolicy, *, failures: int, jitter: float, left_seconds: float
) -> float:
    """The delay after so many failures in a row: for clients, and for the clock where it may retry.

    It doubles with each failure, and is cut so that an attempt comes before the end. A longer delay that the other
    party asked for (`retry_after_seconds` of the error) is kept.
    """
    first, most = _first_seconds(error, policy), _most_seconds(error, policy)
    delay = min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), most)
    if by_itself(error, policy) in {ByItself.AFTER_DELAY, ByItself.WHILE_ALIVE} and error.retryable:
        # After a prompt in the last five minutes, no other prompt follows before the end.
        is_cut = left_seconds > (LAST_CHANCE_SECONDS if _may_prompt(error, policy) else 1)
        delay = min(delay * (1 - jitter / 2), left_seconds / 2 if is_cut else delay)
    return max(delay, error.retry_after_seconds or 0)


def rejected_delay_seconds(policy: RefreshPolicy, rejections: int) -> float:
    """The delay after two or more sessions in a row that AWS rejected soon after issuing them."""
    first = REJECTED_RETRY_SECONDS if policy.asks_human else _machine_seconds(policy)
    return min(first * 2.0 ** min(rejections - 2, _MOST_DOUBLINGS), policy.retry_max_seconds)


def _may_prompt(error: MayflyError, policy: RefreshPolicy) -> bool:
    """True if an attempt may raise a prompt. The exchange finds out before it runs `op` that AWS cannot be reached."""
    return policy.asks_human and not isinstance(error, AwsUnreachable)


def _is_no(error: MayflyError) -> bool:
    """True if a person refused, or did not answer within 1Password's time limit or ours."""
    return error.needs_human or isinstance(error, OnePasswordHung)


def _first_seconds(error: MayflyError, policy: RefreshPolicy) -> float:
    if policy.asks_human:
        return policy.retry_min_seconds * (2 if error.http_status == 400 else 1)
    return _machine_seconds(policy) if error.retryable else policy.retry_min_seconds * 2


def _machine_seconds(policy: RefreshPolicy) -> float:
    return policy.retry_min_seconds / 6


def _most_seconds(error: MayflyError, policy: RefreshPolicy) -> float:
    """The longest delay. An attempt during an outage costs nothing, so it is made every minute, to notice the end."""
    is_free = isinstance(error, _OUTAGES) and not _may_prompt(error, policy)
    return OUTAGE_RETRY_SECONDS if is_free else policy.retry_max_seconds
