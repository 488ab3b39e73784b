"""Checks of a result before it is recorded."""

from __future__ import annotations

from datetime import datetime

from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import AccountMismatch, ExchangeFailed
from mayfly.shared.grant import GrantOrder


# The `Date` header has whole seconds, and the answer takes time to arrive: a smaller difference is no skew.
SKEW_NOISE_SECONDS = 2
LIFE_NOISE_SECONDS = 60


def skew_seconds(aws_at: datetime | None, *, asked_at: datetime, now: datetime) -> float:
    """AWS's clock minus ours: the smallest difference consistent with an answer dated `aws_at`.

    The answer was given between `asked_at` and `now`.

    The answer may have waited to be read, because other profiles took longer or the laptop slept. That wait is no skew:
    counted as one, it would lengthen the credentials' life.
    """
    if aws_at is None:
        return 0
    ahead = (aws_at - now).total_seconds()
    behind = (aws_at - asked_at).total_seconds()
    if ahead > SKEW_NOISE_SECONDS:
        return ahead
    return behind if behind < -SKEW_NOISE_SECONDS else 0


def plausible_skew(skew_seconds: float, credentials: Credentials, *, asked_seconds: float, now: datetime) -> float:
    """The skew, corrected if the credentials would live longer than asked for: AWS never grants more."""
    return max(skew_seconds, (credentials.expiration - now).total_seconds() - asked_seconds - LIFE_NOISE_SECONDS)


def check_order(credentials: Credentials, order: GrantOrder | None, aws_at: datetime | None) -> None:
    """Raise ExchangeFailed if a grant's credentials live longer than was ordered: they are another session's."""
    life_seconds = (credentials.expiration - aws_at).total_seconds() if aws_at else 0
    if order and life_seconds > order.seconds + LIFE_NOISE_SECONDS:
        raise ExchangeFailed(
            f"the exchange brought a session of {life_seconds:.0f} seconds, and the grant's has {order.seconds}"
        )


def check_account(credentials: Credentials, wanted: str | None) -> None:
    """Raise AccountMismatch if the credentials are of another account than `wanted`, or of an unknown one."""
    if wanted and credentials.account_id != wanted:
        account = f"account {credentials.account_id}" if credentials.account_id else "an unknown account"
        raise AccountMismatch(f"these credentials are of {account}, and the config wants {wanted}")


def check_life(credentials: Credentials, *, skew_seconds: float, now: datetime) -> None:
    """Raise ExchangeFailed if the credentials have expired."""
    if (credentials.expiration - now).total_seconds() <= skew_seconds:
        raise ExchangeFailed("the exchange brought credentials that have already ended")
