"""What is wanted and under way: logins one after the other, roles all at once, in as few exchanges as can be.

Single flight: a session that is wanted twice is got once, and everybody waits for that one.
"""

from __future__ import annotations

import asyncio
import random

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from mayfly.credentials import Credentials
from mayfly.errors import AccountMismatch, ConfigChanged, ExchangeFailed, MayflyError
from mayfly.events import Events
from mayfly.keeper.ledger import Ledger
from mayfly.launcher import Exchange, Launcher
from mayfly.session import MAX_JITTER_SECONDS
from mayfly.wire import Request, Result


# Clients that start together are served by one exchange: it waits this long after the last of them, while its
# interpreter starts anyway.
QUIET_SECONDS = 0.015
MAX_GATHER_SECONDS = 0.25

# The `Date` header has whole seconds and the answer has been on its way: less than this is no skew.
SKEW_NOISE_SECONDS = 2

Flight = asyncio.Future[MayflyError | None]


class Lanes:
    """Gets sessions by exchanges, and enters what came of it in the ledger."""

    def __init__(
        self, ledger: Ledger, *, launch: Launcher, clock: Callable[[], datetime], events: Events, stirred: asyncio.Event
    ) -> None:
        self._ledger = ledger
        self._launch = launch
        self._clock = clock
        self._events = events
        self._stirred = stirred
        self._flights: dict[str, Flight] = {}
        self._logins: dict[str, None] = {}
        self._roles: dict[str, None] = {}
        self._is_logging_in = False
        self._is_gathering_roles = False
        self._wanted_at_seconds = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def flight(self, name: str) -> Flight | None:
        """What ends, with None or an error, when the session that is on its way has come; None if none is."""
        return self._flights.get(name)

    def want(self, name: str) -> None:
        """Get the session, with whatever else is wanted now."""
        loop = asyncio.get_running_loop()
        self._flights[name] = loop.create_future()
        (self._logins if self._ledger.is_base(name) else self._roles)[name] = None
        self._wanted_at_seconds = loop.time()
        self._pump()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside everything else, until it or the daemon ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop_unknown(self) -> None:
        """Whoever waits for a profile that is not configured any more waits in vain."""
        for name in [name for name in self._flights if name not in self._ledger.names]:
            self._resolve(name, ConfigChanged(f"{name} is no longer configured"))

    async def close(self) -> None:
        """End every exchange under way, and whoever waits for one."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for name in list(self._flights):
            self._resolve(name, ExchangeFailed("the daemon is stopping"))

    # Starting

    def _pump(self) -> None:
        """Start whatever can be started."""
        if self._logins and not self._is_logging_in:
            self._is_logging_in = True
            self.spawn(self._run_logins())
        if self._assumable() and not self._is_gathering_roles:
            self._is_gathering_roles = True
            self.spawn(self._run_roles())

    def _assumable(self) -> list[str]:
        now = self._clock()
        ledger = self._ledger
        return [
            name for name in self._roles if ledger.live_source(name, now) and ledger.base(name) not in self._flights
        ]

    async def _run_logins(self) -> None:
        """One login after the other: 1Password asks its human one question at a time."""
        try:
            while self._logins:
                await self._run_one(self._login_request)
        finally:
            self._is_logging_in = False

    async def _run_roles(self) -> None:
        try:
            await self._run_one(self._assume_request)
        finally:
            self._is_gathering_roles = False
            self._pump()

    async def _run_one(self, compose: Callable[[], Request]) -> None:
        try:
            async with self._launch() as exchange:
                await self._gather()
                await self._ask(exchange, compose())
        except OSError as reason:
            error = ExchangeFailed(f"the exchange cannot be started: {reason.strerror}")
            for name in compose().profiles:
                self._land(name, error)

    async def _gather(self) -> None:
        """Wait for those who come together with the first."""
        loop = asyncio.get_running_loop()
        until = loop.time() + MAX_GATHER_SECONDS
        while True:
            rest = min(self._wanted_at_seconds + QUIET_SECONDS, until) - loop.time()
            if rest <= 0:
                return
            await asyncio.sleep(rest)

    def _login_request(self) -> Request:
        """All that is wanted of the first one's way to 1Password, whoever may come along, and the roles above."""
        ledger, now = self._ledger, self._clock()
        way = ledger.config.onepassword_of(next(iter(self._logins)))
        same = [name for name in ledger.names if ledger.is_base(name) and ledger.config.onepassword_of(name) == way]
        bases = [name for name in same if name in self._logins or self._comes_along(name, now)]
        roles = [name for name in self._roles if ledger.base(name) in bases]
        for name in bases:
            self._flights.setdefault(name, asyncio.get_running_loop().create_future())
        self._logins = {name: None for name in self._logins if name not in bases}
        self._roles = {name: None for name in self._roles if name not in roles}
        links = dict.fromkeys(link for role in roles for link in ledger.chain(role)[1:])
        return Request(kind="login", digest=ledger.config.digest, profiles=(*bases, *links))

    def _comes_along(self, name: str, now: datetime) -> bool:
        policy = self._ledger.policy(name, now)
        session = self._ledger[name]
        return policy.asks_human and name not in self._flights and session.may_come_along(policy, now)

    def _assume_request(self) -> Request:
        """Every role that is wanted and stands on a live session, with the links between."""
        ledger, now, names = self._ledger, self._clock(), self._assumable()
        self._is_gathering_roles = False
        self._roles = {name: None for name in self._roles if name not in names}
        sources = {source for name in names if (source := ledger.live_source(name, now))}
        links = dict.fromkeys(
            link
            for name in names
            for link in ledger.chain(name)[1:]
            if link == name or (link in names) or not ledger[link].usable(now)
        )
        live = {source: session for source in sources if (session := ledger[source].usable(now))}
        return Request(kind="assume", digest=ledger.config.digest, profiles=tuple(links), sessions=live)

    # Asking

    async def _ask(self, exchange: Exchange, request: Request) -> None:
        """Put every result where it belongs, and an error where none came."""
        left = dict.fromkeys(request.profiles)
        self._events.info("exchange.started", kind=request.kind, profiles=list(left))
        error: MayflyError = ExchangeFailed("the exchange ended without an answer")
        try:
            async for result in exchange.ask(request):
                left.pop(result.profile, None)
                if result.profile in self._ledger.names:
                    self._apply(result)
        except MayflyError as reason:
            error = reason
        for name in left:
            if name in self._ledger.names:
                self._land(name, error)
        self._tell_latecomers(request)
        self._pump()

    def _tell_latecomers(self, request: Request) -> None:
        """Roles that came too late for a login that failed learn why; it is not held against them."""
        for name in list(self._roles):
            base = self._ledger.base(name)
            is_lost = not self._ledger.live_source(name, self._clock()) and base not in self._flights
            if base in request.profiles and is_lost:
                self._resolve(name, self._ledger[base].last_error)

    def _apply(self, result: Result) -> None:
        if isinstance(result.outcome, MayflyError):
            self._land(result.profile, result.outcome)
        elif isinstance(result.outcome, Credentials):
            try:
                self._keep(result.profile, result.outcome, result)
            except MayflyError as error:
                self._land(result.profile, error)

    def _keep(self, name: str, credentials: Credentials, result: Result) -> None:
        """Enter new credentials; raises a MayflyError where they are not what they should be."""
        now = self._clock()
        skew_seconds = _skew_seconds(result, now)
        _check_account(credentials, self._ledger.config.profiles[name].account_id)
        if (credentials.expiration - now).total_seconds() <= skew_seconds:
            raise ExchangeFailed("the exchange brought credentials that have already ended")
        asks_human = self._ledger.policy(name, now).asks_human
        session = self._ledger[name].issued(
            credentials,
            skew_seconds=skew_seconds,
            jitter_seconds=0 if asks_human else random.uniform(0, MAX_JITTER_SECONDS),  # noqa: S311 - no secret
            now=now,
        )
        self._ledger[name] = session
        self._events.info(
            "session.refreshed",
            profile=name,
            access_key_id=credentials.access_key_id,
            expires_in_seconds=round(session.left_seconds(now)),
            skew_seconds=round(skew_seconds),
        )
        self._resolve(name, None)

    def _land(self, name: str, error: MayflyError) -> None:
        """An attempt for `name` failed. What failed below a role is not held against the role."""
        now = self._clock()
        if self._ledger.is_base(name) or self._ledger.live_source(name, now):
            policy = self._ledger.policy(name, now)
            session = self._ledger[name].failed(error, policy, jitter=random.random(), now=now)  # noqa: S311 - no secret
            self._ledger[name] = session
            self._events.warning(
                "session.refresh_failed",
                profile=name,
                code=error.code,
                reason=error.message,
                retry_after_seconds=round(session.retry_after_seconds),
            )
        self._resolve(name, error)

    def _resolve(self, name: str, error: MayflyError | None) -> None:
        self._logins.pop(name, None)
        self._roles.pop(name, None)
        flight = self._flights.pop(name, None)
        if flight and not flight.done():
            flight.set_result(error)
        self._stirred.set()


def _skew_seconds(result: Result, now: datetime) -> float:
    """AWS's clock minus ours."""
    seconds = (result.aws_at - now).total_seconds() if result.aws_at else 0
    return seconds if abs(seconds) > SKEW_NOISE_SECONDS else 0


def _check_account(credentials: Credentials, wanted: str | None) -> None:
    if wanted and credentials.account_id and credentials.account_id != wanted:
        raise AccountMismatch(
            f"these credentials are of account {credentials.account_id}, and the config says account_id = {wanted}"
        )
