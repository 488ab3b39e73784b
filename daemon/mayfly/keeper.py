"""The engine: the one writer of sessions, and the one caller of the exchange.

It decides nothing about *when* (that is `session`): it asks, for the clock every half minute and for whoever comes,
and carries out. Whatever
is wanted while an exchange is under way is gathered and goes in the next one; nobody ever waits behind a profile that
they did not ask for.
"""

from __future__ import annotations

import asyncio
import random

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from mayfly.config import Config, RoleProfile
from mayfly.credentials import Credentials
from mayfly.desk import Desk
from mayfly.errors import AccountMismatch, ExchangeFailed, MayflyError
from mayfly.launcher import Exchange, Launcher
from mayfly.session import LOOK_AGAIN_SECONDS, MAX_JITTER_SECONDS, Phase, RefreshPolicy, Scene, Session, Trigger
from mayfly.status import ProfileStatus
from mayfly.wire import Identity, Request, Result


# Clients that start together are served by one exchange: it waits this long after the last of them, while its
# interpreter starts.
QUIET_SECONDS = 0.015
MAX_GATHER_SECONDS = 0.25

# The `Date` header has whole seconds and the answer has been on its way: less than this is no skew.
SKEW_NOISE_SECONDS = 2

Flight = asyncio.Future[MayflyError | None]


class Keeper:
    """Keeps the sessions of every configured profile; lives in one event loop."""

    def __init__(
        self, config: Config, *, launch: Launcher, desk: Desk, clock: Callable[[], datetime], log: Any
    ) -> None:
        self.config = config
        self._launch = launch
        self._desk = desk
        self._clock = clock
        self._log = log
        self._sessions: dict[str, Session] = {config.session_of(name): Session() for name in config.profiles}
        self._flights: dict[str, Flight] = {}
        self._logins: dict[str, None] = {}
        self._roles: dict[str, None] = {}
        self._scene = Scene()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_logging_in = False
        self._is_gathering_roles = False
        self._wanted_at = 0.0
        self._stirred = asyncio.Event()

    # What the faces ask

    def take(self, profile: str) -> Credentials | None:
        """What can be handed out now, from memory; asks for fresh ones where these are due."""
        name, now = self.config.session_of(profile), self._clock()
        session = self._sessions[name]
        credentials = session.usable(now)
        if credentials is None:
            return None
        self._note_fetch(name, now)
        if session.phase(self._policy(name, now), now) is Phase.DUE and name not in self._flights:
            self._spawn(self._try(name))
        return credentials

    async def obtain(self, profile: str, trigger: Trigger) -> Credentials:
        """Fresh credentials, however long they take; raises the MayflyError that stands in the way."""
        name = self.config.session_of(profile)
        if trigger is Trigger.PERSON:
            self._forgive(name)
        self._note_fetch(name, self._clock())
        if not await self._try(name, trigger):
            raise self._refusal(name)
        error = await asyncio.shield(self._flights[name]) if name in self._flights else None
        credentials = self._sessions[name].usable(self._clock())
        if credentials is None or (error and trigger is Trigger.PERSON):
            raise error or ExchangeFailed("the credentials ended before they could be handed out")
        self._note_fetch(name, self._clock())
        return credentials

    async def identify(self, profile: str) -> Identity:
        """Who AWS takes the profile's session for; raises a MayflyError where there is none, or AWS says no."""
        credentials = self.take(profile) or await self.obtain(profile, Trigger.CLIENT)
        name = self.config.session_of(profile)
        request = Request(kind="verify", digest=self.config.digest, profiles=(), sessions={name: credentials})
        async with self._launch() as exchange:
            async for result in exchange.ask(request):
                if isinstance(result.outcome, Identity):
                    return result.outcome
                if isinstance(result.outcome, MayflyError):
                    raise result.outcome
        raise ExchangeFailed("the exchange ended without an answer")

    def forget(self, profiles: Iterable[str]) -> None:
        """Drop what is in memory; nothing comes back before somebody asks."""
        for name in {self.config.session_of(profile) for profile in profiles}:
            self._set(name, self._sessions[name].forgot())
            self._log.info("session.forgotten", profile=name)

    def status(self) -> list[ProfileStatus]:
        """Every profile as it stands now."""
        now = self._clock()
        return [self._profile_status(profile, now) for profile in self.config.profiles]

    async def run(self) -> None:
        """Look after the sessions until cancelled: at least every half minute, and never "until" an instant."""
        try:
            while True:
                await self.look()
                self._stirred.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._rest_seconds()):
                        await self._stirred.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self) -> None:
        """Ask the core, for every session, whether the clock alone wants something."""
        await self._see()
        now = self._clock()
        for name in self._sessions:
            self._want(name, Trigger.CLOCK, now)

    # Wanting

    async def _try(self, name: str, trigger: Trigger = Trigger.CLIENT) -> bool:
        """Whether fresh credentials are on their way, or there already."""
        await self._see()
        now = self._clock()
        if trigger is not Trigger.PERSON and self._sessions[name].phase(self._policy(name, now), now) is Phase.FRESH:
            return True
        return self._want(name, trigger, now)

    def _want(self, name: str, trigger: Trigger, now: datetime) -> bool:
        if name in self._flights:
            return True
        if not self._sessions[name].wants(self._policy(name, now), trigger, self._scene, now):
            return False
        is_role = isinstance(self.config.profiles[name], RoleProfile)
        if is_role and not self._live_source(name, now) and not self._want(self._base(name), trigger, now):
            return False
        self._flights[name] = asyncio.get_running_loop().create_future()
        (self._roles if is_role else self._logins)[name] = None
        self._wanted_at = asyncio.get_running_loop().time()
        self._pump()
        return True

    def _pump(self) -> None:
        """Start whatever can be started."""
        if self._logins and not self._is_logging_in:
            self._is_logging_in = True
            self._spawn(self._run_logins())
        if self._assumable() and not self._is_gathering_roles:
            self._is_gathering_roles = True
            self._spawn(self._run_roles())

    def _assumable(self) -> list[str]:
        now = self._clock()
        return [name for name in self._roles if self._live_source(name, now) and self._base(name) not in self._flights]

    # Exchanges

    async def _run_logins(self) -> None:
        """One login after the other: 1Password asks its human one question at a time."""
        try:
            while self._logins:
                first = next(iter(self._logins))
                try:
                    async with self._launch() as exchange:
                        await self._gather()
                        await self._ask(exchange, self._login_request(first))
                except OSError as reason:
                    self._land(first, ExchangeFailed(f"the exchange cannot be started: {reason.strerror}"))
        finally:
            self._is_logging_in = False

    async def _run_roles(self) -> None:
        names: list[str] = []
        try:
            async with self._launch() as exchange:
                await self._gather()
                names = self._assumable()
                self._is_gathering_roles = False
                await self._ask(exchange, self._assume_request(names))
        except OSError as reason:
            for name in names or self._assumable():
                self._land(name, ExchangeFailed(f"the exchange cannot be started: {reason.strerror}"))
        finally:
            self._is_gathering_roles = False

    async def _gather(self) -> None:
        """Wait for those who come together with the first."""
        loop = asyncio.get_running_loop()
        until = loop.time() + MAX_GATHER_SECONDS
        while loop.time() < min(self._wanted_at + QUIET_SECONDS, until):
            await asyncio.sleep(QUIET_SECONDS / 3)

    def _login_request(self, first: str) -> Request:
        """Everything that is wanted of the same way to 1Password, whoever may come along, and the roles above them."""
        way, now = self.config.onepassword_of(first), self._clock()
        same = [name for name in self._sessions if self._is_base(name) and self.config.onepassword_of(name) == way]
        bases = [name for name in same if name in self._logins or self._comes_along(name, now)]
        roles = [name for name in self._roles if self._base(name) in bases]
        for name in bases:
            self._flights.setdefault(name, asyncio.get_running_loop().create_future())
        self._logins = {name: None for name in self._logins if name not in bases}
        self._roles = {name: None for name in self._roles if name not in roles}
        links = dict.fromkeys(link for role in roles for link in self._sessions_of(role)[1:])
        return Request(kind="login", digest=self.config.digest, profiles=(*bases, *links))

    def _comes_along(self, name: str, now: datetime) -> bool:
        policy = self._policy(name, now)
        return policy.asks_human and name not in self._flights and self._sessions[name].may_come_along(policy, now)

    def _assume_request(self, names: list[str]) -> Request:
        now = self._clock()
        self._roles = {name: None for name in self._roles if name not in names}
        sources = {source for name in names if (source := self._live_source(name, now))}
        links = dict.fromkeys(
            link for name in names for link in self._sessions_of(name) if link not in sources or link in names
        )
        live = {source: session for source in sources if (session := self._sessions[source].usable(now))}
        return Request(kind="assume", digest=self.config.digest, profiles=tuple(links), sessions=live)

    async def _ask(self, exchange: Exchange, request: Request) -> None:
        """Put every result where it belongs, and an error where none came."""
        left = dict.fromkeys(request.profiles)
        self._log.info("exchange.started", kind=request.kind, profiles=list(left))
        error: MayflyError = ExchangeFailed("the exchange ended without an answer")
        try:
            async for result in exchange.ask(request):
                left.pop(result.profile, None)
                self._apply(result)
        except MayflyError as reason:
            error = reason
        except asyncio.CancelledError:
            error = ExchangeFailed("the daemon is stopping")
            raise
        finally:
            for name in left:
                self._land(name, error)
            self._drop_orphans(request)
            self._pump()

    def _drop_orphans(self, request: Request) -> None:
        """Roles that came too late for a login that failed learn why, and are not held against themselves."""
        for name in [name for name in self._roles if self._base(name) in request.profiles]:
            if not self._live_source(name, self._clock()) and self._base(name) not in self._flights:
                del self._roles[name]
                self._resolve(name, self._sessions[self._base(name)].last_error)

    # What came of it

    def _apply(self, result: Result) -> None:
        outcome, now = result.outcome, self._clock()
        if isinstance(outcome, Credentials):
            try:
                self._check(result.profile, outcome)
                skew_seconds = _skew_seconds(result, now)
                if (outcome.expiration - now).total_seconds() <= skew_seconds:
                    raise ExchangeFailed("the exchange brought credentials that have already ended")
            except MayflyError as error:
                self._land(result.profile, error)
            else:
                self._keep(result.profile, outcome, skew_seconds, now)
        elif isinstance(outcome, MayflyError):
            self._land(result.profile, outcome)

    def _check(self, name: str, credentials: Credentials) -> None:
        wanted = self.config.profiles[name].account_id
        if wanted and credentials.account_id and credentials.account_id != wanted:
            raise AccountMismatch(
                f"these credentials are of account {credentials.account_id}, and the config says account_id = {wanted}"
            )

    def _keep(self, name: str, credentials: Credentials, skew_seconds: float, now: datetime) -> None:
        jitter = 0 if self._policy(name, now).asks_human else random.uniform(0, MAX_JITTER_SECONDS)  # noqa: S311
        session = self._sessions[name].issued(credentials, skew_seconds=skew_seconds, jitter_seconds=jitter, now=now)
        self._set(name, session)
        self._log.info(
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
        base = self._sessions[self._base(name)]
        if self._is_base(name) or base.usable(now):
            policy = self._policy(name, now)
            self._set(name, self._sessions[name].failed(error, policy, jitter=random.random(), now=now))  # noqa: S311
            self._log.warning(
                "session.refresh_failed",
                profile=name,
                code=error.code,
                reason=error.message,
                retry_after_seconds=round(self._sessions[name].retry_after_seconds),
            )
        self._resolve(name, error)

    def _resolve(self, name: str, error: MayflyError | None) -> None:
        self._logins.pop(name, None)
        self._roles.pop(name, None)
        flight = self._flights.pop(name, None)
        if flight and not flight.done():
            flight.set_result(error)
        self._stirred.set()

    def _set(self, name: str, session: Session) -> None:
        """The one place where a session changes."""
        self._sessions[name] = session

    def _note_fetch(self, name: str, now: datetime) -> None:
        for link in self._sessions_of(name):
            self._set(link, self._sessions[link].fetched(now))

    def _forgive(self, name: str) -> None:
        for link in self._sessions_of(name):
            self._set(link, self._sessions[link].asked_by_person())

    # What is known

    def _refusal(self, name: str) -> MayflyError:
        policy = self._policy(name, self._clock())
        for link in (name, self._base(name)):
            error = self._sessions[link].refusal(policy, self._scene)
            if error:
                return error
        return ExchangeFailed("nothing was tried")

    def _policy(self, name: str, now: datetime) -> RefreshPolicy:
        """A role on a live session needs nobody; whatever needs a login asks whom its 1Password asks."""
        way = self.config.onepassword_of(name)
        mode = self.config.profiles[name].refresh or ("while-used" if way.asks_human else "always")
        return RefreshPolicy(mode=mode, asks_human=way.asks_human and not self._live_source(name, now))

    def _live_source(self, name: str, now: datetime) -> str | None:
        """The nearest session below `name` that is usable."""
        below = self._sessions_of(name)[:-1]
        return next((link for link in reversed(below) if self._sessions[link].usable(now)), None)

    def _sessions_of(self, name: str) -> tuple[str, ...]:
        return tuple(self.config.session_of(link) for link in self.config.chain(name))

    def _base(self, name: str) -> str:
        return self._sessions_of(name)[0]

    def _is_base(self, name: str) -> bool:
        return self._base(name) == name

    async def _see(self) -> None:
        """Look who is there, if that can matter now."""
        now = self._clock()
        policies = ((session, self._policy(name, now)) for name, session in self._sessions.items())
        if any(policy.asks_human and session.phase(policy, now) is not Phase.FRESH for session, policy in policies):
            self._scene = await self._desk.scene()

    def _rest_seconds(self) -> float:
        now = self._clock()
        rests = (session.look_again_seconds(self._policy(name, now), now) for name, session in self._sessions.items())
        return max(0.05, min(LOOK_AGAIN_SECONDS, *rests, LOOK_AGAIN_SECONDS))

    def _profile_status(self, profile: str, now: datetime) -> ProfileStatus:
        name = self.config.session_of(profile)
        session, policy = self._sessions[name], self._policy(name, now)
        return ProfileStatus.of(profile, session, policy, in_flight=name in self._flights, now=now)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _skew_seconds(result: Result, now: datetime) -> float:
    """AWS's clock minus ours."""
    seconds = (result.aws_at - now).total_seconds() if result.aws_at else 0
    return seconds if abs(seconds) > SKEW_NOISE_SECONDS else 0
