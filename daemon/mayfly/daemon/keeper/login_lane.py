"""Logins: one after the other, because 1Password asks its user one question at a time."""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

from mayfly.daemon.keeper.batches import Batch, login_batch
from mayfly.daemon.keeper.code_queue import next_code_seconds, refused
from mayfly.daemon.keeper.exchanges import Calls, Exchanges
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.daemon.keeper.wanted import Kind, State, WantedSessions
from mayfly.daemon.tasks import Tasks
from mayfly.shared.errors import ExchangeFailed, MayflyError, ScreenLocked


class LoginLane:
    """Runs the queued logins.

    `on_locked` is called with the error after logins were given up because the screen is locked, `on_end` when no login
    is left.
    """

    def __init__(
        self,
        ledger: Ledger,
        wanted: WantedSessions,
        exchanges: Exchanges,
        *,
        clock: Callable[[], datetime],
        presence: PresenceWatch,
        tasks: Tasks,
        on_locked: Callable[[MayflyError], None],
        on_end: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._wanted = wanted
        self._exchanges = exchanges
        self._clock = clock
        self._presence = presence
        self._tasks = tasks
        self._on_locked = on_locked
        self._on_end = on_end
        self._is_running = False

    def start(self) -> None:
        """Start with the first queued login, unless the lane is running."""
        if not self._is_running and self._wanted.is_queued(Kind.LOGIN):
            self._is_running = True
            self._tasks.spawn(self._run())

    async def _run(self, *, is_first: bool = True) -> None:
        """Run one login after the other.

        If roles of a login hang, the next login starts all the same, because roles ask nobody.
        """
        is_last = True

        def start_next_login() -> None:
            nonlocal is_last
            if is_last:
                is_last = False
                self._tasks.spawn(self._run(is_first=False))

        calls = Calls(self._compose, self._drop_lapsed, start_next_login, self._on_locked)
        try:
            if not is_first:
                await self._drop_logins()
            while self._wanted.is_queued(Kind.LOGIN) and is_last:
                await self._exchanges.run(calls)
                self._on_end()
                if is_last:
                    await self._drop_logins()
        finally:
            self._wait_for_code()
            if is_last:
                self._end()

    def _end(self) -> None:
        self._is_running = False
        # ExitStack runs every callback, even after an error, in reverse order.
        with ExitStack() as calls:
            calls.callback(self._on_end)
            # A login is left here only after a fault of mayfly's own.
            for name in self._wanted.names_in(State.QUEUED, Kind.LOGIN):
                calls.callback(self._exchanges.fail, name, ExchangeFailed("a login before this one failed"))

    def _compose(self) -> Batch:
        """The next login. Somebody waits for a session if a person wants it, or if it has no live credentials."""
        now, wanted = self._clock(), self._wanted
        logins = {
            name: wanted.is_by_person(name) or not self._ledger[name].usable(now)
            for name in wanted.names_in(State.QUEUED, Kind.LOGIN)
        }
        roles = wanted.names_in(State.QUEUED, Kind.ROLE)
        return login_batch(self._ledger, logins, roles, wanted.__contains__, now)

    async def _drop_lapsed(self) -> None:
        """Look at the screen again if a person's request has ended before its exchange was asked."""
        if any(self._wanted.has_lapsed(name) for name in self._wanted.names_in(State.QUEUED, Kind.LOGIN)):
            await self._drop_locked(afresh=True)

    # Between two logins

    async def _drop_logins(self) -> None:
        """Drop logins that must no longer prompt."""
        self._wait_for_code()
        for name, error in refused(self._ledger, self._wanted.code_users()).items():
            self._exchanges.fail(name, error)
        await self._drop_locked()

    def _wait_for_code(self) -> None:
        if self._wanted.code_users():
            asyncio.get_running_loop().call_later(next_code_seconds(self._clock()), self._take_next_code)

    def _take_next_code(self) -> None:
        """The next one-time password is valid: put the logins that waited for it back into the queue.

        A login whose code user is still in an exchange goes on waiting: that exchange may use this password, too.
        """
        ready = [name for name, user in self._wanted.code_users().items() if not self._wanted.is_in_exchange(user)]
        for name in ready:
            self._wanted.queue(name)
        if ready:
            self._tasks.spawn(self._resume())

    async def _resume(self) -> None:
        try:
            await self._drop_locked()
        finally:
            self._on_end()

    async def _drop_locked(self, *, afresh: bool = False) -> None:
        """If the screen is locked now, give up the queued logins that would prompt, except with `--through-lock`."""
        if not self._wanted.is_queued(Kind.LOGIN) or not await self._presence.is_locked(afresh=afresh):
            return
        locked = ScreenLocked()
        for name in self._wanted.names_in(State.QUEUED, Kind.LOGIN):
            if self._ledger.asks_human(name) and not self._wanted.may_pass_lock(name):
                self._exchanges.fail(name, locked)
        self._on_locked(locked)
