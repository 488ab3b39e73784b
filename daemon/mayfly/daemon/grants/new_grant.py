"""A grant as it begins, from the order for it."""

from __future__ import annotations

import secrets

from collections.abc import Container
from datetime import datetime, timedelta
from typing import NamedTuple

from mayfly.config.model import Config, RoleProfile
from mayfly.daemon.grants import narrowing
from mayfly.daemon.grants.delivery import Paths
from mayfly.daemon.grants.order import Order
from mayfly.daemon.grants.table import Ask, Grant, digest
from mayfly.shared.credentials import Credentials
from mayfly.shared.grant import Narrowing, subject


# How many narrowings are remembered, so that grants with an equal one share one object.
NARROWINGS = 256


class Made(NamedTuple):
    """A grant that has just been made. The token is in no other place."""

    grant: Grant
    token: str | None
    token_path: str | None
    paths: Paths
    credentials: Credentials | None
    warnings: list[str]

    def __repr__(self) -> str:
        return f"Made({self.grant.id})"


class Narrowings:
    """Keeps one object for equal narrowings."""

    def __init__(self) -> None:
        self._known: dict[Narrowing, Narrowing] = {}

    def shared(self, wanted: Narrowing) -> Narrowing:
        """A narrowing equal to `wanted`: the one that other grants have, if there is one."""
        if len(self._known) >= NARROWINGS:
            self._known.clear()
        return self._known.setdefault(wanted, wanted)


def new_grant(order: Order, config: Config, token: str | None, taken: Container[str], now: datetime) -> Grant:
    """A grant that begins `now`, with an ID that is not `taken`."""
    grant_id = secrets.token_hex(4)
    while grant_id in taken:
        grant_id = secrets.token_hex(4)
    is_role = isinstance(config.profiles[order.profile], RoleProfile)
    return Grant(
        profile=order.profile,
        session=subject(order.profile, grant_id) if is_role else order.profile,
        id=grant_id,
        label=order.label,
        digest=digest(token) if token else None,
        narrowing=order.narrowing,
        words=narrowing.words(order.narrowing),
        delivery=order.delivery,
        origin=config.origins[order.profile],
        seconds=order.seconds,
        # Instants of grants are whole seconds in files and answers, and none is later than it was asked for.
        ends_at=now.replace(microsecond=0) + timedelta(seconds=order.seconds),
        ask=Ask.ASKING if order.asks else Ask.NONE,
        is_held=order.is_held,
        has_token_file=order.has_token_file,
        allows_disk=order.allows_disk,
    )
