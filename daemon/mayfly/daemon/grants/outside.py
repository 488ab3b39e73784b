"""What stands outside of this process for a grant: its token's file, its socket, the files of its credentials."""

from __future__ import annotations

import asyncio

from collections.abc import Iterable
from functools import partial

from mayfly.daemon.grants import rules, token_file
from mayfly.daemon.grants.delivery import Delivery, Paths
from mayfly.daemon.grants.order import Order
from mayfly.daemon.grants.sessions import Sessions
from mayfly.daemon.grants.table import DELIVERED, FILE, Grant
from mayfly.daemon.tasks import Tasks
from mayfly.daemon.threads import DaemonThread
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import GrantRefused
from mayfly.shared.text import failure_words


DISK_SECONDS = 4


class Outside:
    """Makes and removes it. Without a `delivery` there are no grants as socket or file."""

    def __init__(self, delivery: Delivery | None, sessions: Sessions, tasks: Tasks) -> None:
        self._delivery = delivery
        self._sessions = sessions
        self._tasks = tasks
        self._thread = DaemonThread()
        # What stands in the files of each grant; None after a restart.
        self._written: dict[Grant, Credentials | None] = {}
        self._renewing: asyncio.Task[None] | None = None

    def check_room(self, order: Order, grants: Iterable[Grant]) -> None:
        """Raise GrantRefused if there cannot be one more like this."""
        if order.delivery not in DELIVERED:
            return
        self._needed(order.delivery)
        if sum(grant.delivery in DELIVERED for grant in grants) >= rules.MAX_DELIVERED:
            raise GrantRefused(
                f"there are {rules.MAX_DELIVERED} grants as file or socket, which is the most", hint="mayfly grants"
            )

    def _needed(self, kind: str) -> Delivery:
        if self._delivery is None:
            raise GrantRefused(f"this daemon gives no grant as {kind}")
        return self._delivery

    async def open(self, grant: Grant, credentials: Credentials | None = None) -> Paths:
        """Make the grant's socket or files, or take them up again; raises a MayflyError if that is impossible."""
        if grant.delivery not in DELIVERED:
            return Paths()
        delivery = self._needed(grant.delivery)
        paths = await delivery.open(grant)
        if grant.delivery == FILE:
            self._written[grant] = credentials
        if credentials is not None:
            await delivery.renewed(grant, credentials)
        return paths

    async def write_token(self, grant: Grant, token: str | None) -> str | None:
        """Write the token's file, if the grant has one. Returns its path; raises GrantRefused if that is impossible."""
        if not grant.has_token_file or token is None:
            return None
        path = token_file.path_of(grant.id)
        try:
            await self._thread.run(partial(token_file.write, grant.id, token), DISK_SECONDS)
        except (OSError, TimeoutError) as reason:
            raise GrantRefused(f"{path}: cannot be written: {failure_words(reason)}") from None
        return path

    def remove_soon(self, grant: Grant) -> None:
        """The grant has ended."""
        if grant.has_token_file or grant.delivery in DELIVERED:
            self._tasks.spawn(self.remove(grant))

    async def remove(self, grant: Grant) -> None:
        """Remove all of it."""
        self._written.pop(grant, None)
        if self._delivery is not None and grant.delivery in DELIVERED:
            await self._delivery.close(grant)
        if grant.has_token_file:
            await self._thread.run(partial(token_file.remove, grant.id), DISK_SECONDS)

    def sweep_soon(self, known: Iterable[str]) -> None:
        """Remove the token files that an earlier process has left of grants that are not `known`."""
        ids = frozenset(known)
        self._tasks.spawn(self._thread.run(partial(token_file.sweep, ids), DISK_SECONDS))
        if self._delivery is not None:
            self._tasks.spawn(self._delivery.sweep(ids))

    def renew_soon(self) -> None:
        """Write credentials that are new into the files of their grants."""
        if self._written and (self._renewing is None or self._renewing.done()):
            self._renewing = self._tasks.spawn(self._renew())

    async def _renew(self) -> None:
        for grant, before in list(self._written.items()):
            found = self._sessions.take(grant)
            if self._delivery and found is not None and found != before and grant.is_allowed:
                self._written[grant] = found
                await self._delivery.renewed(grant, found)
