"""Checks of a result before it is entered, and errors that several places raise."""

from __future__ import annotations

from datetime import datetime

from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import AccountMismatch, ConfigChanged, ExchangeFailed
from mayfly.shared.text import failure_words


# The `Date` header has whole seconds, and the answer took time to arrive: a difference below this is no skew.
SKEW_NOISE_SECONDS = 2
LIFE_NOISE_SECONDS = 60


def skew_seconds(aws_at: datetime | None, *, asked_at: datetime, now: datetime) -> float:
    """AWS's clock minus ours: the smallest skew that explains an answer dated `aws_at`, given between `asked_at` and
    `now`.

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
    """The skew, corrected where it would give the credentials a longer life than was asked for: AWS never does."""
    return max(skew_seconds, (credentials.expiration - now).total_seconds() - asked_seconds - LIFE_NOISE_SECONDS)


def check_account(credentials: Credentials, wanted: str | None) -> None:
    """Raise AccountMismatch if the credentials are of another account than `wanted`, or of an unknown one."""
    if wanted and credentials.account_id != wanted:
        account = f"account {credentials.account_id}" if credentials.account_id else "an unknown account"
        raise AccountMismatch(f"these credentials are of {account}, and the config wants {wanted}")


def check_life(credentials: Credentials, *, skew_seconds: float, now: datetime) -> None:
    """Raise ExchangeFailed if the credentials have expired."""
    if (credentials.expiration - now).total_seconds() <= skew_seconds:
        raise ExchangeFailed("the exchange brought credentials that have already ended")


def not_started(reason: OSError) -> ExchangeFailed:
    """The system does not start an exchange."""
    return ExchangeFailed(f"the exchange cannot be started: {failure_words(reason)}")


def stopping() -> ExchangeFailed:
    """The daemon ends, and starts no renewal any more."""
    return ExchangeFailed("the daemon is stopping", hint="ask again when it runs")


def no_longer_there(name: str) -> ConfigChanged:
    """A reload has changed or removed the profile since it was asked for."""
    return ConfigChanged(f"{name} was changed in the config, or taken out, while it was on its way", hint="ask again")
