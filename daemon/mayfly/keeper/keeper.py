"""What the faces and the clock ask for: answered from memory, or set going."""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime

from mayfly.config import Config
from mayfly.credentials import Credentials
from mayfly.desk import Desk
from mayfly.errors import ExchangeFailed, MayflyError
from mayfly.events import Events
from mayfly.keeper.lanes import Lanes
from mayfly.keeper.ledger import Ledger
from mayfly.launcher import Launcher
from mayfly.session import LOOK_AGAIN_SECONDS, Phase, Scene, Trigger
from mayfly.status import ProfileStatus
from mayfly.wire import Identity, Request


SHORTEST_REST_SECONDS = 0.05


class Keeper:
    """Keeps the sessions of every configured profile; lives in one event loop."""

    def __init__(
        self, config: Config, *, launch: Launcher, desk: Desk, clock: Callable[[], datetime], events: Events
    ) -> None:
        self._ledger = Ledger(config)
        self._launch = launch
        self._desk = desk
        self._clock = clock
        self._events = events
        self._scene = Scene()
        self._stirred = asyncio.Event()
        self._lanes = Lanes(self._ledger, launch=launch, clock=clock, events=events, stirred=self._stirred)

    @property
    def config(self) -> Config:
        """The config in force."""
        return self._ledger.config

    # What the faces ask

    def take(self, profile: str) -> Credentials | None:
        """What can be handed out now, from memory; asks for fresh ones where these are due."""
        name, now = self._ledger.name_of(profile), self._clock()
        credentials = self._ledger[name].usable(now)
        if credentials is None:
            return None
        self._ledger.note_fetch(name, now)
        if self._ledger.phase(name, now) is Phase.DUE and not self._lanes.flight(name):
            self._lanes.spawn(self._wake(name))
        return credentials

    async def obtain(self, profile: str, trigger: Trigger) -> Credentials:
        """Fresh credentials, however long they take; raises the MayflyError that stands in the way."""
        name = self._ledger.name_of(profile)
        if trigger is Trigger.PERSON:
            self._ledger.forgive(name)
        self._ledger.note_fetch(name, self._clock())
        await self._see()
        now = self._clock()
        if trigger is Trigger.PERSON or self._ledger.phase(name, now) is not Phase.FRESH:
            await self._fetch(name, trigger, now)
        credentials = self._ledger[name].usable(self._clock())
        if credentials is None:
            raise ExchangeFailed("the credentials ended before they could be handed out")
        self._ledger.note_fetch(name, self._clock())
        return credentials

    async def identify(self, profile: str) -> Identity:
        """Who AWS takes the profile's session for; raises a MayflyError where there is none, or AWS says no."""
        credentials = self.take(profile) or await self.obtain(profile, Trigger.CLIENT)
        name = self._ledger.name_of(profile)
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
        for name in {self._ledger.name_of(profile) for profile in profiles}:
            self._ledger[name] = self._ledger[name].forgot()
            self._events.info("session.forgotten", profile=name)

    def status(self) -> list[ProfileStatus]:
        """Every profile as it stands now."""
        now = self._clock()
        return [self._status_of(profile, now) for profile in self.config.profiles]

    def adopt(self, config: Config) -> None:
        """Take over a changed config; sessions of profiles that did not change go on."""
        self._ledger.adopt(config)
        self._lanes.drop_unknown()
        self._stirred.set()

    # What the clock asks

    async def run(self) -> None:
        """Look after the sessions until cancelled: at least every half minute, and never "until" an instant."""
        try:
            while True:
                await self.look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._rest_seconds()):
                        await self._stirred.wait()
                self._stirred.clear()
        finally:
            await self._lanes.close()

    async def look(self) -> None:
        """Ask the core, for every session, whether the clock alone wants something."""
        await self._see()
        now = self._clock()
        for name in self._ledger.names:
            self._want(name, Trigger.CLOCK, now)

    def _rest_seconds(self) -> float:
        now = self._clock()
        ledger = self._ledger
        rests = (ledger[name].look_again_seconds(ledger.policy(name, now), now) for name in ledger.names)
        return max(SHORTEST_REST_SECONDS, min(rests, default=LOOK_AGAIN_SECONDS))

    # How it is done

    async def _wake(self, name: str) -> None:
        """A client was served from what is due: start getting new ones, if it may be."""
        await self._see()
        self._want(name, Trigger.CLIENT, self._clock())

    async def _fetch(self, name: str, trigger: Trigger, now: datetime) -> None:
        """Wait for fresh credentials; a client is content with old ones that live."""
        if not self._want(name, trigger, now):
            error: MayflyError | None = self._refusal(name, now)
        else:
            flight = self._lanes.flight(name)
            error = await asyncio.shield(flight) if flight else None
        if error and (trigger is Trigger.PERSON or not self._ledger[name].usable(self._clock())):
            raise error

    def _want(self, name: str, trigger: Trigger, now: datetime) -> bool:
        """Set going what `trigger` may have; whether it is on its way."""
        if self._lanes.flight(name):
            return True
        policy = self._ledger.policy(name, now)
        if not self._ledger[name].wants(policy, trigger, self._scene, now):
            return False
        is_grounded = self._ledger.is_base(name) or self._ledger.live_source(name, now)
        if not is_grounded and not self._want(self._ledger.base(name), trigger, now):
            return False
        self._lanes.want(name)
        return True

    def _refusal(self, name: str, now: datetime) -> MayflyError:
        policy = self._ledger.policy(name, now)
        for link in (name, self._ledger.base(name)):
            error = self._ledger[link].refusal(policy, self._scene)
            if error:
                return error
        return ExchangeFailed("nothing was tried")

    async def _see(self) -> None:
        """Look who is there, if that can matter now."""
        now = self._clock()
        ledger = self._ledger
        if any(ledger.asks_human(name) and ledger.phase(name, now) is not Phase.FRESH for name in ledger.names):
            self._scene = await self._desk.scene()

    def _status_of(self, profile: str, now: datetime) -> ProfileStatus:
        name = self._ledger.name_of(profile)
        return ProfileStatus.of(
            profile,
            self._ledger[name],
            self._ledger.policy(name, now),
            in_flight=self._lanes.flight(name) is not None,
            now=now,
        )
