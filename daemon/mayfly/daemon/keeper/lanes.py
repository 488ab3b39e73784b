"""What is wanted and under way: logins one after the other, roles all at once, in as few exchanges as can be.

Single flight: a session that is wanted twice is got once, and everybody waits for that one.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from mayfly.config.model import Config
from mayfly.daemon.events import Events
from mayfly.daemon.keeper import checks
from mayfly.daemon.keeper.batches import Asked, assume_request, login_request
from mayfly.daemon.keeper.code_queue import CodeQueue
from mayfly.daemon.keeper.debounce import Debounce
from mayfly.daemon.keeper.idle_timer import IdleTimer
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.outcomes import Outcomes
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.daemon.keeper.verification import Verification
from mayfly.daemon.launcher import Exchange, Launcher
from mayfly.daemon.tasks import Tasks
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import (
    AccessKeyUnknown,
    ConfigChanged,
    ConfigInvalid,
    ExchangeFailed,
    MayflyError,
    ScreenLocked,
    SessionEnded,
)
from mayfly.shared.wire import Request, Result


Flight = asyncio.Future[MayflyError | None]


class Lanes:
    """Gets sessions by exchanges, and has what came of it entered in the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        launch: Launcher,
        clock: Callable[[], datetime],
        events: Events,
        stirred: asyncio.Event,
        tasks: Tasks,
        presence: PresenceWatch,
        verification: Verification,
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
        self._debounce = Debounce()
        self._code_queue = CodeQueue()
        self._tasks = tasks
        self._presence = presence
        self._verification = verification
        self._outcomes = Outcomes(ledger, clock=clock, events=events, presence=presence)
        self._insisted: set[str] = set()
        self._is_winding_up = False
        self._is_closed = False

    def flight(self, name: str) -> Flight | None:
        """What ends, with None or an error, when the session that is on its way has come; None if none is."""
        return self._flights.get(name)

    def want(self, name: str) -> None:
        """Get the session, with whatever else is wanted now."""
        self._flights[name] = asyncio.get_running_loop().create_future()
        if self._is_closed or (self._is_winding_up and self._ledger.policy(name, self._clock()).asks_human):
            self._flights[name].set_result(checks.stopping())
            return
        (self._logins if self._ledger.is_base(name) else self._roles)[name] = None
        self._debounce.note()
        self._start(is_assumable=self._is_assumable(name, self._clock()))

    def insist(self, name: str) -> None:
        """A person wants the session: not even a locked screen is in the way."""
        self._insisted.add(self._ledger.base(name))

    def adopt(self, before: Config) -> None:
        """Whoever waits for what is no longer made as it was in `before` waits in vain; it may be called otherwise."""
        heirs = self._ledger.heirs(before, self._flights)
        for name in self._flights.keys() - heirs.keys():
            self._resolve(name, checks.no_longer_there(name))
        renamed = [name for name in self._code_queue.waiting if heirs.get(name) != name]
        self._logins |= {name: None for name in renamed if name in heirs}
        self._code_queue.give_up(renamed)
        self._flights = {heirs[name]: flight for name, flight in self._flights.items()}
        self._logins = {heirs[name]: None for name in self._logins}
        self._roles = {heirs[name]: None for name in self._roles}
        self._insisted = {heirs.get(name, name) for name in self._insisted}
        self._pump()

    def wind_up(self) -> None:
        """Disturb nobody any more: whoever wants what takes a human from now on is told why not."""
        self._is_winding_up = True

    async def drain(self, seconds: float) -> None:
        """Wait for whatever is on its way, `seconds` at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while under_way := [flight for flight in self._flights.values() if not flight.done()]:
                    await asyncio.wait(under_way)

    async def close(self) -> None:
        """Tell whoever waits, and end every exchange under way."""
        self._is_closed = True
        for name in list(self._flights):
            self._resolve(name, checks.stopping())
        await self._tasks.end()

    # Starting

    def _pump(self) -> None:
        """Start whatever can be started."""
        if not self._is_closed:
            self._drop_groundless()
            self._start(is_assumable=bool(self._assumable()))

    def _start(self, *, is_assumable: bool) -> None:
        if self._logins and not self._is_logging_in:
            self._is_logging_in = True
            self._tasks.spawn(self._run_logins())
        if is_assumable and not self._is_gathering_roles:
            self._is_gathering_roles = True
            self._tasks.spawn(self._run_one(self._assume_request))

    def _assumable(self) -> list[str]:
        """Roles on a live session wait for no login, not even for one that renews what they stand on."""
        now = self._clock()
        return [name for name in self._roles if self._is_assumable(name, now)]

    def _is_assumable(self, name: str, now: datetime) -> bool:
        """Whether it stands on a live session, and on no link that another exchange is getting."""
        links = self._ledger.links_above_live(name, now)
        return bool(links) and all(link in self._roles or link not in self._flights for link in links[:-1])

    async def _run_logins(self, *, is_first: bool = True) -> None:
        """One login after the other: 1Password asks its human one question at a time.

        The next one does not wait for roles of the one before that hang: nobody is asked for these.
        """
        is_last = True

        def pass_on() -> None:
            nonlocal is_last
            if is_last:
                is_last = False
                self._tasks.spawn(self._run_logins(is_first=False))

        try:
            if not is_first:
                await self._look_around()
            while self._logins and is_last:
                await self._run_one(self._login_request, pass_on)
                if is_last:
                    await self._look_around()
        finally:
            if is_last:
                self._end_logins()

    def _end_logins(self) -> None:
        self._is_logging_in = False
        self._insisted &= self._code_queue.waiting.keys()
        # Nobody is left here but after a fault of ours.
        for name in list(self._logins):
            self._land(name, ExchangeFailed("a login before this one failed"))
        self._pump()

    async def _look_around(self) -> None:
        """Between two logins: some of those who wait need not be asked for any more."""
        self._put_off()
        await self._drop_locked()

    def _put_off(self) -> None:
        """Who waits for the next code of a device lets others go first, and is not asked for after somebody's no."""
        for name, error in self._code_queue.refused(self._ledger).items():
            self._land(name, error)
        self._code_queue.call_back(self._clock(), lambda names: self._tasks.spawn(self._take_up(names)))

    async def _take_up(self, names: list[str]) -> None:
        self._logins |= {name: None for name in names if name in self._flights}
        await self._drop_locked()
        self._pump()

    async def _drop_locked(self) -> None:
        """Who waited their turn until the screen was locked is not asked for any more, but for a person."""
        if not self._logins or not await self._presence.is_locked():
            return
        locked = ScreenLocked("the screen was locked before it was this profile's turn")
        for name in list(self._logins):
            if self._ledger.asks_human(name) and name not in self._insisted:
                self._resolve(name, locked)
        self._drop_groundless(locked)

    async def _run_one(self, compose: Callable[[], Request], pass_on: Callable[[], None] = lambda: None) -> None:
        """One exchange, from its start to its end; whatever happens, everybody it was for gets an answer.

        `pass_on` is called where it has roles left alone, and these hang.
        """
        request: Request | None = None
        error: MayflyError = ExchangeFailed("the exchange could not be started")
        try:
            async with self._launch() as exchange:
                await self._debounce.over()
                request = compose()
                await self._ask(exchange, request, pass_on)
        except OSError as reason:
            error = checks.not_started(reason)
        except MayflyError as reason:
            error = reason
        finally:
            for name in () if request or self._is_closed else compose().profiles:
                self._land(name, error)
        self._pump()

    def _login_request(self) -> Request:
        """The next login; what is in it waits in no lane any more."""
        now = self._clock()
        waited = {name: name in self._insisted or not self._ledger[name].usable(now) for name in self._logins}
        request = login_request(self._ledger, waited, self._roles, self._flights, self._code_queue, now)
        self._note_flights(request)
        gone = {*request.profiles, *self._code_queue.waiting}
        self._logins = {name: None for name in self._logins if name not in gone}
        self._roles = {name: None for name in self._roles if name not in gone}
        return request

    def _assume_request(self) -> Request:
        """Every role that is wanted and stands on a live session."""
        names = self._assumable()
        self._is_gathering_roles = False
        self._roles = {name: None for name in self._roles if name not in names}
        request = assume_request(self._ledger, names, self._clock())
        self._note_flights(request)
        return request

    def _note_flights(self, request: Request) -> None:
        """What comes along is under way, too, and got by nobody else meanwhile."""
        for name in request.profiles:
            self._flights.setdefault(name, asyncio.get_running_loop().create_future())

    # Asking

    async def _ask(self, exchange: Exchange, request: Request, pass_on: Callable[[], None]) -> None:
        """Put every result where it belongs, and an error where none came."""
        if not request.profiles:
            return
        asked = Asked(request, self._ledger.config, self._clock())
        left = dict.fromkeys(request.profiles)
        bases = {name for name in left if self._ledger.is_base(name)}
        self._events.info("exchange.started", kind=request.kind, profiles=list(left))
        error: MayflyError = ExchangeFailed("the exchange ended without an answer")
        idle_timer = IdleTimer(pass_on)
        try:
            async for result in exchange.ask(request, lambda: self._check_prompt(asked)):
                if result.profile in left:
                    del left[result.profile]
                    self._apply(result, asked)
                    self._go_on()
                    if bases.isdisjoint(left):
                        idle_timer.restart()
                else:
                    error = ExchangeFailed("the exchange answered for a profile that was not asked for, or twice")
        except OSError as reason:
            error = ExchangeFailed(f"the exchange broke off: {reason.strerror or type(reason).__name__}")
        except MayflyError as reason:
            error = reason
        finally:
            idle_timer.cancel()
            for name in () if self._is_closed else left:
                self._apply(Result(profile=name, outcome=error), asked)

    async def _check_prompt(self, asked: Asked) -> None:
        """An exchange has had to wait: raise what is in the way of its prompt by now."""
        if self._is_winding_up:
            raise checks.stopping()
        names = {self._ledger.heir(asked.config, name) for name in asked.request.profiles}
        if names.isdisjoint(self._insisted) and await self._presence.is_locked():
            raise ScreenLocked("the screen was locked before 1Password could ask")

    def _go_on(self) -> None:
        """Something has come, and roles may have waited for it alone: not for whatever else this exchange gets."""
        if self._roles and not self._is_closed:
            self._start(is_assumable=bool(self._assumable()))

    def _drop_groundless(self, reason: MayflyError | None = None) -> None:
        """Roles that lost what they stand on, or came too late for a login that failed, learn why.

        It is not held against them.
        """
        now = self._clock()
        for name in list(self._roles):
            base = self._ledger.base(name)
            if not self._ledger.live_source(name, now) and base not in self._flights:
                ended = ExchangeFailed(f"the session of {base} has ended", hint="ask again")
                self._resolve(name, reason or self._ledger[base].last_error or ended)

    def _apply(self, result: Result, asked: Asked) -> None:
        """Enter a result; where the config has changed meanwhile, what came may be not what is wanted now."""
        name, outcome = self._ledger.heir(asked.config, result.profile), result.outcome
        if name is None:
            return
        if isinstance(outcome, ConfigChanged | ConfigInvalid) and asked.config.digest != self._ledger.config.digest:
            self._ask_again(name)
            return
        try:
            if isinstance(outcome, Credentials):
                skew = checks.skew_seconds(result.aws_at, asked_at=asked.at, now=self._clock())
                self._resolve(name, self._outcomes.issued(name, outcome, skew))
                return
            error = outcome if isinstance(outcome, MayflyError) else ExchangeFailed("the exchange misunderstood")
        except MayflyError as reason:
            error = reason
        if isinstance(error, SessionEnded | AccessKeyUnknown):
            self._doubt_source(name, asked.request)
        self._land(name, error)

    def _ask_again(self, name: str) -> None:
        """The exchange had another config before it than ours then; what it says of that is no longer so."""
        if name in self._flights:
            (self._logins if self._ledger.is_base(name) else self._roles)[name] = None

    def _doubt_source(self, name: str, request: Request) -> None:
        """The session that a role was to be assumed from may have been revoked; or the role's region is not enabled."""
        source = self._ledger.live_source(name, self._clock())
        if source and self._ledger[source].credentials in request.sessions.values():
            self._verification.note(source, is_refused=True)

    def _land(self, name: str, error: MayflyError) -> None:
        """An attempt for `name` failed."""
        self._outcomes.failed(name, error)
        self._resolve(name, error)

    def _resolve(self, name: str, error: MayflyError | None) -> None:
        self._logins.pop(name, None)
        self._roles.pop(name, None)
        flight = self._flights.pop(name, None)
        if flight and not flight.done():
            flight.set_result(error)
        self._stirred.set()
