"""The grants of an earlier process that are still what the config and the clock allow. Pure.

The file says what was granted. The config says which session the grant has, and whether such a grant is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from mayfly.config.model import Config, RoleProfile
from mayfly.daemon.grants import narrowing, rules
from mayfly.daemon.grants.order import Order
from mayfly.daemon.grants.table import Grant
from mayfly.shared.errors import GrantRefused


def still_granted(found: Iterable[Grant], config: Config, now: datetime) -> Iterator[Grant]:
    """The grants that are in force, and whose profile has the same origin as then."""
    for grant in found:
        is_same = grant.profile in config.profiles and config.origins[grant.profile] == grant.origin
        if is_same and _is_allowed(grant, config):
            grant.words = narrowing.words(grant.narrowing)
            if grant.ends_at:
                # The clock may have been set back since then.
                grant.ends_at = min(grant.ends_at, now + timedelta(seconds=grant.seconds))
            if grant.is_in_force(now):
                yield grant


def _is_allowed(grant: Grant, config: Config) -> bool:
    """True if such a grant would be made now. A narrowed grant must never open the profile's own session."""
    order = Order(grant.profile, grant.label, grant.seconds, grant.narrowing, delivery=grant.delivery)
    try:
        rules.checked(order, config)
    except GrantRefused:
        return False
    return grant.has_own_session == isinstance(config.profiles[grant.profile], RoleProfile)
