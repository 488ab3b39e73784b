"""What a failure means for the next try: who may make it, and after how long.

The measure is what a try costs. Where nobody is asked it costs nothing, so the clock tries whatever it was, ever more
seldom: an item and AWS are mended without a word to us. Where somebody is asked, each try may be a prompt.
"""

from __future__ import annotations

from enum import Enum

from mayfly.session.demand import RefreshPolicy
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

# No connection, or an answer that is none.
_OUTAGES = (AwsFailed, AwsUnreachable, OnePasswordOffline)
_MOST_DOUBLINGS = 16


class ByItself(Enum):
    """When the clock may make the next try; clients and people may make theirs whatever it says."""

    AFTER_DELAY = "after the delay"
    WHILE_ALIVE = "after the delay, while the credentials live"
    AT_FEW_MOMENTS = "at few moments, because somebody has said no"
    NEVER = "never"


def by_itself(error: MayflyError, policy: RefreshPolicy) -> ByItself:
    """When the clock may try again after `error`."""
    if not _may_prompt(error, policy):
        return ByItself.AFTER_DELAY
    if _is_no(error):
        return ByItself.AT_FEW_MOMENTS
    return ByItself.WHILE_ALIVE if error.retryable else ByItself.NEVER


def was_seen(error: MayflyError | None) -> bool:
    """Whether somebody saw the prompt, and has answered it."""
    return isinstance(error, ApprovalDismissed)


def delay_seconds(
    error: MayflyError, policy: RefreshPolicy, *, failures: int, jitter: float, left_seconds: float
) -> float:
    """How long clients, and the clock where it may try, wait after so many failures in a row.

    It doubles, and is cut so that a try comes before the end; whoever asked us to stay away longer, is heard.
    """
    first, most = _first_seconds(error, policy), _most_seconds(error, policy)
    delay = min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), most)
    if by_itself(error, policy) in {ByItself.AFTER_DELAY, ByItself.WHILE_ALIVE} and error.retryable:
        # A try in the last five minutes was the one before the end: no more prompts are pressed into what is left.
        is_cut = left_seconds > (LAST_CHANCE_SECONDS if _may_prompt(error, policy) else 1)
        delay = min(delay * (1 - jitter / 2), left_seconds / 2 if is_cut else delay)
    return max(delay, error.retry_after_seconds or 0)


def rejected_delay_seconds(policy: RefreshPolicy, rejections: int) -> float:
    """How long to wait after two or more sessions in a row that AWS would not take soon after it had made them."""
    first = REJECTED_RETRY_SECONDS if policy.asks_human else _machine_seconds(policy)
    return min(first * 2.0 ** min(rejections - 2, _MOST_DOUBLINGS), policy.retry_max_seconds)


def _may_prompt(error: MayflyError, policy: RefreshPolicy) -> bool:
    """Whether a try may cost a fingerprint. That AWS cannot be reached is found out before `op` is run."""
    return policy.asks_human and not isinstance(error, AwsUnreachable)


def _is_no(error: MayflyError) -> bool:
    """A prompt that stood there until our own time limit was over, has not been answered either."""
    return error.needs_human or isinstance(error, OnePasswordHung)


def _first_seconds(error: MayflyError, policy: RefreshPolicy) -> float:
    if policy.asks_human:
        return policy.retry_min_seconds * (2 if error.http_status == 400 else 1)
    return _machine_seconds(policy) if error.retryable else policy.retry_min_seconds * 2


def _machine_seconds(policy: RefreshPolicy) -> float:
    return policy.retry_min_seconds / 6


def _most_seconds(error: MayflyError, policy: RefreshPolicy) -> float:
    """Where a try asks nobody and burdens nobody, credentials are back a minute after the network is."""
    is_free = isinstance(error, _OUTAGES) and not _may_prompt(error, policy)
    return OUTAGE_RETRY_SECONDS if is_free else policy.retry_max_seconds
