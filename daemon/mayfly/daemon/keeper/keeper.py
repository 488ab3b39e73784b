"""What the faces and the clock ask for: answered from memory, or set going."""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime

from mayfly.config.model import Config
from mayfly.daemon.events import Events
from mayfly.daemon.keeper.checks import no_longer_there
from mayfly.daemon.keeper.lanes import Lanes
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.daemon.keeper.renewals import Asking, Renewals
from mayfly.daemon.keeper.snapshot import pack, unpack
from mayfly.daemon.keeper.verification import Verification
from mayfly.daemon.keeper.wanted import LockOverride
from mayfly.daemon.launcher import Launcher
from mayfly.daemon.status import ProfileStatus
from mayfly.session import LOOK_AGAIN_SECONDS
from mayfly.session.demand import NOBODY, Requester, Trigger
from mayfly.shared.credentials import Credentials
from mayfly.shared.desk import Desk
from mayfly.shared.errors import ExchangeFailed
from mayfly.shared.wire import Identity


SHORTEST_REST_SECONDS = 0.05


class Keeper:
    """Keeps the sessions of every configured profile; lives in one event loop."""

    def __init__(
        self,
        config: Config,
        *,
        launch: Launcher,
        desk: Desk,
        clock: Callable[[], datetime],
        events: Events,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = Ledger(config, on_change)
        self._clock = clock
        self._events = events
        self._tasks = Tasks(events)
        self._presence = PresenceWatch(desk, clock=clock, tasks=self._tasks)
        self._stirred = asyncio.Event()
        self._verification = Verification(
            self._ledger, launch=launch, clock=clock, events=events, tasks=self._tasks, on_rejected=self._on_rejected
        )
        self._lanes = Lanes(
            self._ledger,
            launch=launch,
            clock=clock,
            events=events,
            stirred=self._stirred,
            tasks=self._tasks,
            presence=self._presence,
            verification=self._verification,
        )

        self._wanted = self._lanes.wanted
        self._renewals = Renewals(
            self._ledger, self._lanes, clock=clock, events=events, presence=self._presence, tasks=self._tasks
        )

    @property
    def config(self) -> Config:
        """The config in force."""
        return self._ledger.config

    # What the faces ask

    def take(self, profile: str, requester: Requester = NOBODY) -> Credentials | None:
        """What can be handed out now, from memory; asks for fresh ones where these are due.

        Whoever is prompted can be told which program the `requester` is.
        """
        name, now = self._ledger.name_of(profile), self._clock()
        credentials = self._ledger[name].usable(now)
        if credentials is None:
            return None
        self._ledger.note_fetch(name, now)
        self._renewals.wake(name, Asking(profile, Trigger.CLIENT, requester))
        return credentials

    async def obtain(
        self, profile: str, trigger: Trigger, requester: Requester = NOBODY, *, through_lock: bool = False
    ) -> Credentials:
        """New credentials, however long they take; raises the MayflyError that stands in the way.

        A client is content with old credentials that live. `through_lock`: a person may be asked through a locked
        screen, for as long as this very call lasts.
        """
        override = LockOverride() if through_lock else None
        try:
            await self._renewed(Asking(profile, trigger, requester, override))
        finally:
            if override:
                override.end()
        credentials = self._usable(profile)
        if credentials is None:
            raise ExchangeFailed("the credentials ended before they could be handed out", hint="ask again")
        if trigger is Trigger.CLIENT:
            self._ledger.note_fetch(self._ledger.name_of(profile), self._clock())
        return credentials

    async def _renewed(self, asking: Asking) -> None:
        """Wait for the renewal; raises the MayflyError that stands in the way."""
        started = await asyncio.shield(self._renewals.start(asking))
        error = await asyncio.shield(started.answer)
        if started.origin and self.config.origins.get(asking.profile) != started.origin:
            raise no_longer_there(asking.profile)
        if error and (asking.trigger is Trigger.PERSON or not self._usable(asking.profile)):
            raise error

    def asks_human(self, profile: str) -> bool:
        """Whether new credentials for the profile cost a person an approval now."""
        return (
            profile in self.config.profiles
            and self._ledger.policy(self._ledger.name_of(profile), self._clock()).asks_human
        )

    async def identify(self, profile: str) -> Identity:
        """Who AWS takes the profile's session for; raises a MayflyError where there is none, or AWS says no."""
        credentials = self.take(profile) or await self.obtain(profile, Trigger.CLIENT)
        return await self._verification.identity(self._ledger.name_of(profile), credentials)

    def suspect(self, profile: str) -> None:
        """A client came back so soon that AWS may have refused its credentials: ask AWS, and renew if it says no.

        Nothing happens where a reload has taken the profile out of the config.
        """
        if profile in self.config.profiles:
            self._verification.note(self._ledger.name_of(profile), is_refused=False)

    async def _on_rejected(self) -> None:
        self._stirred.set()
        await self.look()

    def age_seconds(self, profile: str) -> float:
        """How old the profile's session is; 0 where there is none."""
        if profile not in self.config.profiles:
            return 0
        issued_at = self._ledger[self._ledger.name_of(profile)].issued_at
        return (self._clock() - issued_at).total_seconds() if issued_at else 0

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
        before = self._ledger.config
        self._ledger.adopt(config)
        self._lanes.adopt(before)
        self._stirred.set()

    # What outlives the process

    def snapshot(self) -> bytes:
        """The sessions, for `restore`; b"" where there are none. A secret."""
        return pack(self._ledger.snapshot(self._clock()))

    def restore(self, kept: bytes | None) -> None:
        """Take back what `snapshot` gave to an earlier process, as far as it is still good.

        None where nothing is kept from one process to the next: an earlier one may have been told "no", so the clock
        raises no prompt for a profile before somebody has asked for it.
        """
        if kept is None:
            self._ledger.wait_for_clients()
            return
        for name in self._ledger.restore(unpack(kept), self._clock()):
            self._events.info("session.recalled", profile=name)

    @property
    def is_busy(self) -> bool:
        """Whether credentials are on their way."""
        return bool(self._wanted)

    def wind_up(self) -> None:
        """Disturb nobody any more: who answers late would have answered in vain."""
        self._lanes.wind_up()

    async def drain(self, seconds: float) -> None:
        """Wait for whatever is on its way, `seconds` at most."""
        await self._lanes.drain(seconds)

    # What the clock asks

    async def run(self, on_look: Callable[[], None] = lambda: None, tick_seconds: float = LOOK_AGAIN_SECONDS) -> None:
        """Look after the sessions until cancelled: at least every `tick_seconds`, and never "until" an instant.

        `on_look` hears of every look that has been taken.
        """
        try:
            while True:
                await self.look()
                on_look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(tick_seconds, self._rest_seconds())):
                        await self._stirred.wait()
                        # Results come in swarms, and each stirs: one look at all sessions is enough for many.
                        await asyncio.sleep(SHORTEST_REST_SECONDS)
                self._stirred.clear()
        finally:
            await self._lanes.close()

    async def look(self) -> None:
        """Ask the core, for every session, whether the clock alone wants something."""
        ledger, now = self._ledger, self._clock()
        if any(ledger[name].heeds_scene(ledger.policy(name, now), now) for name in ledger.names):
            await self._presence.see()
            now = self._clock()
        for name in self._ledger.names:
            self._renewals.want(name, Trigger.CLOCK, now)
            self._alarm(name, now)

    def _alarm(self, name: str, now: datetime) -> None:
        """Tell that credentials in use are about to end."""
        seconds = self._ledger[name].alarm_seconds(self._ledger.policy(name, now), now)
        if seconds is not None:
            self._ledger[name] = self._ledger[name].alarmed(seconds)
            left = round(self._ledger[name].left_seconds(now))
            self._events.warning("session.ending", profile=name, left_seconds=left)

    def _rest_seconds(self) -> float:
        now = self._clock()
        ledger = self._ledger
        rests = (ledger[name].look_again_seconds(ledger.policy(name, now), now) for name in ledger.names)
        return max(SHORTEST_REST_SECONDS, min(rests, default=LOOK_AGAIN_SECONDS))

    def _usable(self, profile: str) -> Credentials | None:
        """Live credentials for the profile; raises ConfigChanged where a reload has taken the profile out."""
        if profile not in self.config.profiles:
            raise no_longer_there(profile)
        return self._ledger[self._ledger.name_of(profile)].usable(self._clock())

    def _status_of(self, profile: str, now: datetime) -> ProfileStatus:
        name = self._ledger.name_of(profile)
        return ProfileStatus.of(
            profile,
            self._ledger[name],
            self._ledger.policy(name, now),
            ground=None if self._ledger.is_grounded(name, now) else self._ledger[self._ledger.base(name)],
            in_flight=name in self._wanted,
            now=now,
        )
