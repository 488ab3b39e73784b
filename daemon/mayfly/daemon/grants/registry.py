"""The one writer of grants: makes them, ends them, and keeps them over a restart."""

from __future__ import annotations

import asyncio
import secrets

from collections.abc import Callable
from datetime import datetime
from functools import partial

from mayfly.config.model import Config
from mayfly.daemon.events import Events
from mayfly.daemon.grants import grants_file, narrowing, rules
from mayfly.daemon.grants.deliveries import Deliveries
from mayfly.daemon.grants.delivery import Delivery
from mayfly.daemon.grants.grants_file import GrantsFile, GrantsInvalid
from mayfly.daemon.grants.holds import Holds
from mayfly.daemon.grants.kept import still_granted
from mayfly.daemon.grants.new_grant import Made, Narrowings, new_grant
from mayfly.daemon.grants.order import Order
from mayfly.daemon.grants.questions import Questions
from mayfly.daemon.grants.sessions import Engine, Sessions
from mayfly.daemon.grants.table import (
    AGENT,
    COMMAND_ENDED,
    ENV,
    EXPIRED,
    FILE,
    RELOAD,
    REVOKED,
    UNDELIVERED,
    Ask,
    Grant,
    Table,
    ended_error,
)
from mayfly.daemon.tasks import Tasks
from mayfly.session.trigger import NOBODY, Requester
from mayfly.shared.credentials import Credentials
from mayfly.shared.desk import Desk
from mayfly.shared.errors import GrantRefused, UnknownGrant


class Registry:
    """All grants, by their ID; `table` has the tokens in force."""

    def __init__(
        self,
        engine: Engine,
        desk: Desk,
        events: Events,
        tasks: Tasks,
        *,
        clock: Callable[[], datetime],
        delivery: Delivery | None = None,
    ) -> None:
        self.table = Table()
        self._sessions = Sessions(engine)
        self._events = events
        self._tasks = tasks
        self._clock = clock
        self._grants: dict[str, Grant] = {}
        # Grants that are being made: nobody has their token yet.
        self._preparing: set[Grant] = set()
        self._file = GrantsFile(self._lasting, tasks, events)
        self._deliveries = Deliveries(delivery, self._sessions, tasks, events)
        self._questions = Questions(desk, events, tasks, on_change=partial(self._file.save_soon, has_ended=True))
        self.holds = Holds(self._lost)
        self._narrowings = Narrowings()
        self._next_end_at: datetime | None = None

    @property
    def count(self) -> int:
        """The number of grants."""
        return len(self._grants)

    def all(self) -> list[Grant]:
        """Every grant in force, the oldest first."""
        now = self._clock()
        return [grant for grant in self._grants.values() if grant.is_in_force(now)]

    def named(self, grant_id: str) -> Grant:
        """The grant with this ID; raises UnknownGrant."""
        found = self._grants.get(grant_id)
        if found is None or not found.is_in_force(self._clock()):
            raise UnknownGrant("there is no such grant: it may have ended")
        return found

    def _lasting(self) -> list[Grant]:
        return [grant for grant in self._grants.values() if grant not in self._preparing and grant.delivery != AGENT]

    def __contains__(self, grant_id: object) -> bool:
        """True for the ID of a grant, also of one whose time is over, until `end`."""
        return grant_id in self._grants

    # Made

    def put(self, grant: Grant, pid: int) -> None:
        """Put a grant in force that has no token, and nothing outside of this process."""
        self._take_up(grant)
        self._put_in_force(grant, pid)

    async def create(self, order: Order, pid: int = 0) -> Made:
        """Make a grant for the process `pid`. Raises GrantRefused, or what stands in the way of its first session.

        A grant that is not made leaves nothing behind.
        """
        if order.asks:
            await self._questions.check_desktop()
        config = self._sessions.config
        if order.profile not in config.profiles:
            raise GrantRefused(f"there is no profile {order.profile[:64]} in {config.source}")
        order = rules.checked(order, config)
        self._check_room(order)
        token = secrets.token_urlsafe(32) if order.delivery not in (FILE, ENV) else None
        grant = new_grant(order, config, token, self._grants, self._clock())
        self._preparing.add(grant)
        try:
            self._take_up(grant)
            made = await self._prepared(grant, token, pid)
        except BaseException:
            await self._undo(grant)
            raise
        finally:
            self._preparing.discard(grant)
        self._put_in_force(grant, pid)
        return made._replace(warnings=rules.warnings(order, config))

    async def _prepared(self, grant: Grant, token: str | None, pid: int) -> Made:
        credentials = await self._first_credentials(grant, pid)
        paths = await self._deliveries.open(grant, credentials)
        token_path = await self._deliveries.write_token(grant, token)
        if grant.id not in self._grants:
            raise GrantRefused(
                "the grant ended before it was made: it was revoked, or its profile was changed", hint="make it anew"
            )
        return Made(grant, token, token_path, paths, credentials, [])

    def _check_room(self, order: Order) -> None:
        self.look()
        if len(self._grants) >= rules.MAX_GRANTS:
            raise GrantRefused(f"there are {rules.MAX_GRANTS} grants, which is the most", hint="mayfly grants")
        self._deliveries.check_room(order, self._grants.values())

    def _take_up(self, grant: Grant) -> None:
        """Count the grant, and admit its session. Its token opens nothing yet."""
        # Thousands of grants may have the same narrowing.
        grant.narrowing = self._narrowings.shared(grant.narrowing)
        grant.origin = self._sessions.config.origins[grant.profile]
        self._grants[grant.id] = grant
        self._sessions.admit(grant)
        self._look_at_end_of(grant)

    def _look_at_end_of(self, grant: Grant) -> None:
        if grant.ends_at and (self._next_end_at is None or grant.ends_at < self._next_end_at):
            self._next_end_at = grant.ends_at

    def _put_in_force(self, grant: Grant, pid: int) -> None:
        self.table.add(grant)
        if grant.is_held:
            self.holds.expect(grant.id)
        self._file.save_soon()
        self._events.info(
            "grant.made",
            grant=grant.id,
            label=grant.label,
            profile=grant.profile,
            narrowing=grant.words or None,
            delivery=grant.delivery,
            lasts_seconds=grant.seconds,
            asks=grant.ask is not Ask.NONE,
            pid=pid,
        )

    async def _first_credentials(self, grant: Grant, pid: int) -> Credentials | None:
        """Credentials that must be there first: for what cannot ask later, and where AWS may refuse a narrowing."""
        is_given_now = grant.delivery in (FILE, ENV)
        if is_given_now:
            await self._questions.allow(grant, Requester(pid=pid))
        if is_given_now or (grant.is_held and narrowing.is_narrowed(grant.narrowing)):
            found = await self._sessions.first(grant, pid)
            if grant.delivery == ENV:
                grant.note_handed_out(found)
                self._end_with(grant, found)
            return found if is_given_now else None
        return None

    def _end_with(self, grant: Grant, credentials: Credentials) -> None:
        """A grant that is never renewed ends with its credentials: AWS may have issued them for a second less."""
        if grant.ends_at and credentials.expiration < grant.ends_at:
            grant.ends_at = credentials.expiration.replace(microsecond=0)
            self._look_at_end_of(grant)

    async def _undo(self, grant: Grant) -> None:
        if self._grants.pop(grant.id, None) is not None:
            self._sessions.dismiss(grant, ended_error(grant.profile, REVOKED))
            self._questions.withdraw(grant)
        await asyncio.shield(self._tasks.start(self._deliveries.remove(grant)))

    # Used

    async def allow(self, grant: Grant, requester: Requester = NOBODY) -> None:
        """Return if a client of the grant may have credentials, perhaps after a question; raises GrantNotAllowed."""
        await self._questions.allow(grant, requester)

    def decide(self, grant: Grant, *, is_allowed: bool) -> None:
        """A person has decided. A no ends a grant as file or env. Raises GrantNotAllowed for a yes after a no."""
        if grant.ask is Ask.NONE:
            raise GrantRefused(f"{grant.id} ({grant.label}) asks nobody", hint=f"mayfly revoke {grant.id}")
        self._questions.decide(grant, is_allowed=is_allowed)
        # Nothing could refuse the next use of what has been delivered already.
        if not is_allowed and grant.delivery in (FILE, ENV) and grant not in self._preparing:
            self.end(grant, REVOKED)

    # Held

    def hold(self, grant: Grant) -> asyncio.Future[str]:
        """A command holds the grant. The future has why it ended, or "" when the daemon stops."""
        if not grant.is_held:
            grant.is_held = True
            self._file.save_soon()
        return self.holds.take(grant.id)

    def leave(self, grant: Grant, ended: asyncio.Future[str], *, may_return: bool) -> None:
        """A command holds the grant no more. If it `may_return` the grant waits for it, else it ends."""
        if self.holds.leave(grant.id, ended):
            if may_return:
                self.holds.expect(grant.id)
            else:
                self.end(grant, COMMAND_ENDED)

    def _lost(self, grant_id: str) -> None:
        grant = self._grants.get(grant_id)
        if grant and not self.holds.is_held(grant_id):
            self.end(grant, COMMAND_ENDED)

    # Ended

    async def revoke(self, grant: Grant) -> datetime | None:
        """End the grant. Returns when the last credentials that it has handed out expire; None if none are live."""
        self.end(grant, REVOKED)
        await self._file.saved()
        until = grant.handed_out_until
        return until if until and until > self._clock() else None

    def end(self, grant: Grant, cause: str) -> None:
        """End the grant, unless it has ended: its token opens nothing any more. `cause` is one of ENDINGS."""
        self.table.remove(grant, cause)
        if self._grants.pop(grant.id, None) is None:
            return
        self._sessions.dismiss(grant, ended_error(grant.profile, cause))
        self._questions.withdraw(grant)
        self.holds.end(grant.id, cause)
        self._events.info("grant.ended", grant=grant.id, label=grant.label, profile=grant.profile, cause=cause)
        self._file.save_soon(has_ended=True)
        self._deliveries.remove_soon(grant)

    def look(self) -> None:
        """End the grants whose time is over. They open nothing in any case: the table looks at the clock, too."""
        now = self._clock()
        if self._next_end_at and now >= self._next_end_at:
            for grant in [grant for grant in self._grants.values() if not grant.is_in_force(now)]:
                self.end(grant, EXPIRED)
            self._next_end_at = min((grant.ends_at for grant in self._grants.values() if grant.ends_at), default=None)
        self._deliveries.renew_soon()
        self._file.keep_up()

    def adopt(self, config: Config) -> None:
        """A changed config comes into force: end the grants of profiles that changed, or went."""
        for grant in list(self._grants.values()):
            if not rules.is_still_meant(grant, config):
                self.end(grant, RELOAD)

    # The process's beginning and end

    def restore(self) -> None:
        """Take up the grants of an earlier process, as far as they are still in force. Changes nothing on the disk."""
        try:
            found = grants_file.read()
        except GrantsInvalid as reason:
            self._events.warning("grants.ignored", reason=f"{grants_file.path()}: {reason}")
            return
        for grant in still_granted(found[: rules.MAX_GRANTS], self._sessions.config, self._clock()):
            self._take_up(grant)
            self.table.add(grant)

    async def start(self) -> None:
        """Write from now on: this process serves. Commands have HOLD_SECONDS to hold their grants again."""
        self._deliveries.sweep_soon(self._grants)
        for grant in self.all():
            if grant.is_held:
                self.holds.expect(grant.id)
        await self._deliveries.open_again(self.all(), self._grants, lambda grant: self.end(grant, UNDELIVERED))
        self._file.save_soon()

    async def stop(self) -> None:
        """Write the grants for the last time. Their holders have been told by `holds.stop`."""
        await self._file.end()
