"""Logins that must wait, because AWS takes a one-time password once and another login uses the current one.

An exchange that waits for the next one-time password blocks all other logins. So a login that would wait stays in the
queue. The exchange itself ensures that no password is sent twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from mayfly.config.model import Config
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.session import CODE_PERIOD_SECONDS
from mayfly.shared.errors import MayflyError


def code_users(config: Config, names: Collection[str], wanted: Collection[str]) -> dict[str, str]:
    """Of `names`: the roles with a code of their own that must wait, each with the session whose turn it is.

    Sessions in `wanted` go before those that only come along, and sessions with keys before roles.
    """
    roles = [name for name in names if config.chain(name) != config.ancestry(name)]
    first: dict[str | None, str] = {}
    for name in sorted(names, key=lambda name: (name not in wanted, name in roles)):
        first.setdefault(config.keys_of(name).code_source, name)
    return {name: other for name in roles if (other := first[config.keys_of(name).code_source]) != name}


def refused(ledger: Ledger, waiting: Mapping[str, str | None]) -> dict[str, MayflyError]:
    """The sessions in `waiting` whose code user was refused by a person, each with that error.

    A person who has just refused is not asked again for the same MFA device.
    """
    users = {name: user for name, user in waiting.items() if user and user in ledger}
    errors = {name: ledger[user].last_error for name, user in users.items()}
    return {name: error for name, error in errors.items() if error and error.needs_human}


def next_code_seconds(now: datetime) -> float:
    """Seconds until the next one-time password."""
    return CODE_PERIOD_SECONDS - now.timestamp() % CODE_PERIOD_SECONDS
