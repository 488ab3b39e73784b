"""The parts of a grant outside of this process: the token's file, the socket, the files with credentials."""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Container, Iterable
from functools import partial

from mayfly.daemon.events import Events
from mayfly.daemon.grants import rules, token_file
from mayfly.daemon.grants.delivery import Delivery, Paths, undelivered
from mayfly.daemon.grants.order import Order
from mayfly.daemon.grants.sessions import Sessions
from mayfly.daemon.grants.table import DELIVERED, FILE, Grant
from mayfly.daemon.tasks import Tasks
from mayfly.daemon.threads import DaemonThread
from mayfly.session.screen_lock import LOOK_SECONDS
from mayfly.shared import runtime_folder
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import GrantRefused, MayflyError
from mayfly.shared.text import failure_words


DISK_SECONDS = 4
# A start waits this long for the sockets and files of grants. The others are opened while the daemon serves.
OPENING_SECONDS = 5


class Deliveries:
    """Makes and removes these parts. Without a `delivery` there are no grants as socket or file."""

    def __init__(self, delivery: Delivery | None, sessions: Sessions, tasks: Tasks, events: Events) -> None:
        self._delivery = delivery
        self._sessions = sessions
        self._events = events
        self._tasks = tasks
        self._thread = DaemonThread()
        # The credentials in each grant's file; None if they are not known, as after a restart.
        self._written: dict[Grant, Credentials | None] = {}
        # Why a grant's credentials could not be written. Each reason is logged once.
        self._unwritten: dict[Grant, str] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._resting: asyncio.Task[None] | None = None

    def check_room(self, order: Order, grants: Iterable[Grant]) -> None:
        """Raise GrantRefused if there can be no further grant of this delivery."""
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
            grant.note_handed_out(credentials)
            # A lock that has come meanwhile takes them away again.
            self.renew_soon()
        return paths

    async def open_again(self, grants: Iterable[Grant], known: Container[str], lost: Callable[[Grant], None]) -> None:
        """Take up the sockets and files of an earlier process; `lost` is called where that is impossible.

        A disk or a desk that does not answer must not delay clients that need neither.
        """
        delivered = [grant for grant in grants if grant.delivery in DELIVERED]
        await asyncio.wait([self._tasks.spawn(self._open_again(delivered, known, lost))], timeout=OPENING_SECONDS)

    async def _open_again(self, grants: Iterable[Grant], known: Container[str], lost: Callable[[Grant], None]) -> None:
        for grant in grants:
            try:
                await self.open(grant)
            except MayflyError:
                lost(grant)
            if grant.id not in known:
                # It has ended meanwhile.
                await self.remove(grant)

    async def write_token(self, grant: Grant, token: str | None) -> str | None:
        """Write the token's file, if the grant has one. Returns its path; raises GrantUndelivered."""
        if not grant.has_token_file or token is None:
            return None
        path = token_file.path_of(grant.id)
        try:
            await self._thread.run(partial(token_file.write, grant.id, token), DISK_SECONDS)
        except OSError as reason:
            raise undelivered(f"the grant's token {path}", reason, runtime_folder.runtime_dir()) from None
        return path

    def remove_soon(self, grant: Grant) -> None:
        """The grant has ended."""
        if grant.has_token_file or grant.delivery in DELIVERED:
            self._tasks.spawn(self.remove(grant))

    async def remove(self, grant: Grant) -> None:
        """Remove the token's file, the socket and the files of the grant."""
        self._written.pop(grant, None)
        self._unwritten.pop(grant, None)
        if self._delivery is not None and grant.delivery in DELIVERED:
            await self._delivery.close(grant)
        if grant.has_token_file:
            await self._removed(grant.id, partial(token_file.remove, grant.id))

    def sweep_soon(self, known: Iterable[str]) -> None:
        """Remove the token files that an earlier process has left of grants that are not `known`."""
        ids = frozenset(known)
        self._tasks.spawn(self._removed("", partial(token_file.sweep, ids)))
        if self._delivery is not None:
            self._tasks.spawn(self._delivery.sweep(ids))

    async def _removed(self, grant_id: str, remove: Callable[[], None]) -> None:
        """Remove token files. A disk that does not answer is logged, and hides no other error from the caller."""
        try:
            await self._thread.run(remove, DISK_SECONDS)
        except TimeoutError as reason:
            self._events.warning("grant.folder_left", grant=grant_id, reason=failure_words(reason))

    def renew_soon(self) -> None:
        """Bring the files up to date: renewed credentials are written, and those that a lock keeps back are removed."""
        if self._written and (self._renewing is None or self._renewing.done()):
            self._renewing = self._tasks.spawn(self._renew())

    async def _renew(self) -> None:
        # Grants that heed no lock go first: they do not wait for a look at the screen.
        for grant in sorted(self._written, key=self._sessions.heeds_lock):
            if self._delivery and grant in self._written:
                await self._bring_up_to_date(self._delivery, grant)
        if any(map(self._sessions.heeds_lock, self._written)) and (self._resting is None or self._resting.done()):
            self._resting = self._tasks.spawn(self._look_again())

    async def _look_again(self) -> None:
        """The clock's look comes twice a minute. A lock, and the unlock, are noticed sooner."""
        await asyncio.sleep(LOOK_SECONDS)
        self.renew_soon()

    async def _bring_up_to_date(self, delivery: Delivery, grant: Grant) -> None:
        """Write or remove one grant's file. A failure is tried again at the next look, and holds no other grant up."""
        try:
            if await self._sessions.is_withheld(grant):
                await self._take_away(delivery, grant)
            else:
                await self._write(delivery, grant)
        except MayflyError as reason:
            if self._unwritten.get(grant) != str(reason):
                self._unwritten[grant] = str(reason)
                self._events.warning("grant.unwritten", grant=grant.id, label=grant.label, reason=reason.message)
        else:
            self._unwritten.pop(grant, None)

    async def _take_away(self, delivery: Delivery, grant: Grant) -> None:
        was_there = await delivery.take_away(grant)
        if grant in self._written:
            self._written[grant] = None
        if was_there:
            self._events.info("grant.withheld", grant=grant.id, label=grant.label, profile=grant.profile)

    async def _write(self, delivery: Delivery, grant: Grant) -> None:
        # `keep` counts as a use, so not for a grant that has ended, or that a person has refused since.
        found = self._sessions.keep(grant) if grant in self._written and grant.is_allowed else None
        if found is None or found == self._written[grant]:
            return
        await delivery.renewed(grant, found)
        grant.note_handed_out(found)
        # It may have ended meanwhile.
        if grant in self._written:
            self._written[grant] = found
