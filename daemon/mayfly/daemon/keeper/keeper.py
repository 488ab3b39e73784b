"""The engine's front: the calls of the endpoint, the control socket and the clock."""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime

from mayfly.config.lasting import check_lasting
from mayfly.config.model import Config
from mayfly.daemon.events import Events
from mayfly.daemon.keeper.common_errors import profile_changed
from mayfly.daemon.keeper.lanes import Lanes
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.lock_guard import LockGuard
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.daemon.keeper.profile_waits import ProfileWaits
from mayfly.daemon.keeper.progress import status_of
from mayfly.daemon.keeper.renewals import Asking, Renewals
from mayfly.daemon.keeper.snapshot import pack, unpack
from mayfly.daemon.keeper.verification import Verification
from mayfly.daemon.keeper.wanted import PersonsRequest
from mayfly.daemon.launcher import Launcher
from mayfly.daemon.status import ProfileStatus
from mayfly.daemon.tasks import Tasks
from mayfly.session import LOOK_AGAIN_SECONDS
from mayfly.session.trigger import NOBODY, Requester, Trigger
from mayfly.shared.credentials import Credentials
from mayfly.shared.desk import Desk, Scene
from mayfly.shared.errors import DurationRefused, ExchangeFailed
from mayfly.shared.wire import Identity


SHORTEST_REST_SECONDS = 0.05


class Keeper:
    """Keeps the sessions of all configured profiles, in one event loop."""

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
        self._presence = PresenceWatch(desk, clock=clock, tasks=self._tasks, on_look=self._obey_lock)
        self._guard = LockGuard(self._ledger, self._presence)
        self._look_now = asyncio.Event()
        self._verification = Verification(
            self._ledger, launch=launch, clock=clock, events=events, tasks=self._tasks, on_rejected=self._on_rejected
        )
        self._lanes = Lanes(
            self._ledger,
            launch=launch,
            clock=clock,
            events=events,
            look_now=self._look_now,
            tasks=self._tasks,
            presence=self._presence,
            verification=self._verification,
        )
        self._wanted = self._lanes.wanted
        self._waits = ProfileWaits(config)
        self._renewals = Renewals(
            self._ledger, self._lanes, clock=clock, events=events, presence=self._presence, tasks=self._tasks
        )

    @property
    def config(self) -> Config:
        """The config in force."""
        return self._ledger.config

    # For the endpoint and the control socket

    def take(self, profile: str, requester: Requester = NOBODY) -> Credentials | None:
        """Live credentials from memory, or None; starts a renewal in the background where they are due.

        None also where the screen must be looked at first, or keeps them back: `obtain` does that, and says why.
        `requester` is told to the person who is prompted.
        """
        name, now = self._ledger.name_of(profile), self._clock()
        credentials = self._ledger[name].usable(now)
        if credentials is None or not self._guard.is_open(profile):
            return None
        self._ledger.note_fetch(name, now)
        self._renewals.wake(name, Asking(profile, Trigger.CLIENT, requester), now)
        return credentials

    async def peek(self, profile: str) -> Credentials | None:
        """Live credentials, or None; starts nothing, and counts as no fetch. Raises ScreenLocked and ConfigChanged."""
        await self._guard.look(profile)
        return self._usable(profile)

    async def obtain(
        self,
        profile: str,
        trigger: Trigger,
        requester: Requester = NOBODY,
        *,
        through_lock: bool = False,
        min_life_seconds: float = 0,
    ) -> Credentials:
        """Wait for new credentials; raises the MayflyError that stands in the way.

        A client also gets old credentials, as long as they are live. `through_lock`: a person may be prompted through a
        locked screen, until this call ends. `min_life_seconds`: credentials that live so long are enough for a person,
        too, and others are not enough for a client. Cancelling the call ends the wait, not the renewal.
        """
        person = PersonsRequest(through_lock=through_lock) if trigger is Trigger.PERSON else None
        asking = Asking(profile, trigger, requester, person, min_life_seconds)
        check_lasting(self.config, profile, min_life_seconds)
        if trigger is Trigger.CLIENT:
            await self._guard.look(profile)
        if known := self._at_hand(asking):
            return known
        try:
            await self._renewed(asking)
        finally:
            if person:
                person.end()
        if trigger is Trigger.CLIENT:
            await self._guard.look(profile)
        credentials = self._usable(profile)
        if credentials is None:
            raise ExchangeFailed("the credentials ended before they could be handed out", hint="ask again")
        if not self._lasts(asking):
            left = self._ledger[self._ledger.name_of(profile)].left_seconds(self._clock())
            raise DurationRefused(f"AWS gave {profile} {left:.0f} seconds, and {min_life_seconds:.0f} are needed")
        if trigger is Trigger.CLIENT:
            self._ledger.note_fetch(self._ledger.name_of(profile), self._clock())
        return credentials

    def _at_hand(self, asking: Asking) -> Credentials | None:
        """Live credentials that are enough. A person gets new ones, unless a shortest life is given."""
        is_client = asking.trigger is Trigger.CLIENT
        if asking.profile not in self.config.profiles or not (is_client or asking.min_life_seconds):
            return None
        if not self._lasts(asking):
            return None
        return self.take(asking.profile, asking.requester) if is_client else self._usable(asking.profile)

    def _lasts(self, asking: Asking) -> bool:
        """True if the profile's credentials are live, for as long as they are needed."""
        session = self._ledger[self._ledger.name_of(asking.profile)]
        return session.lasts(asking.min_life_seconds, self._clock())

    async def _renewed(self, asking: Asking) -> None:
        """Wait for the renewal; raises the MayflyError that stands in the way."""
        started = await self._waits.result(self._renewals.start(asking), asking.profile)
        error = await self._waits.result(started.answer, asking.profile, started.origin)
        if error and (asking.trigger is Trigger.PERSON or not self._usable(asking.profile) or not self._lasts(asking)):
            raise error

    def asks_human(self, profile: str) -> bool:
        """True if a renewal for the profile would need a person's approval now.

        Raises ConfigChanged where a reload has taken the profile out.
        """
        if profile not in self.config.profiles:
            raise profile_changed(profile)
        return self._ledger.policy(self._ledger.name_of(profile), self._clock()).asks_human

    async def identify(self, profile: str) -> Identity:
        """The identity of the profile's session, from AWS; raises a MayflyError if there is none, or AWS refuses."""
        credentials = self.take(profile) or await self.obtain(profile, Trigger.CLIENT)
        return await self._verification.identity(self._ledger.name_of(profile), credentials)

    def suspect(self, profile: str) -> None:
        """A client returned so soon that AWS may have refused its credentials: ask AWS, and renew if it refuses.

        Does nothing where a reload has taken the profile out of the config.
        """
        if profile in self.config.profiles:
            self._verification.suspect(self._ledger.name_of(profile), is_refused=False)

    async def _on_rejected(self) -> None:
        self._look_now.set()
        await self.look()

    def age_seconds(self, profile: str) -> float:
        """The age of the profile's session in seconds; 0 if there is none."""
        if profile not in self.config.profiles:
            return 0
        issued_at = self._ledger[self._ledger.name_of(profile)].issued_at
        return (self._clock() - issued_at).total_seconds() if issued_at else 0

    def forget(self, profiles: Iterable[str]) -> None:
        """Drop credentials from memory; the clock gets no new ones before somebody asks."""
        for name in {self._ledger.name_of(profile) for profile in profiles}:
            self._ledger[name] = self._ledger[name].forgot()
            self._events.info("session.forgotten", profile=name, cause="person")

    def status(self) -> list[ProfileStatus]:
        """The status of every profile."""
        now = self._clock()
        return [status_of(self._ledger, self._wanted, profile, now) for profile in self.config.profiles]

    def ends(self) -> dict[str, datetime]:
        """The end of each profile's session by our clock, also of an expired one; nothing where there is none."""
        ends = {profile: self._ledger[self._ledger.name_of(profile)].ends_at() for profile in self.config.profiles}
        return {profile: end for profile, end in ends.items() if end}

    def adopt(self, config: Config) -> None:
        """Take over a changed config; the sessions of unchanged profiles go on."""
        before = self._ledger.config
        self._ledger.adopt(config)
        self._lanes.adopt(before)
        self._waits.adopt(config)
        self._look_now.set()

    # The process's beginning and end

    def snapshot(self) -> bytes:
        """The sessions, for `restore`; b"" where there are none. A secret."""
        return pack(self._ledger.snapshot(self._clock()))

    def restore(self, kept: bytes) -> None:
        """Take over an earlier process's `snapshot`, as far as it still holds; b"" where there is none.

        Only systemd keeps a snapshot, and a stop or a reboot empties its store. So where nothing is kept for a profile,
        a person may have refused a prompt of an earlier process: the clock raises none before somebody has asked.
        """
        for name in self._ledger.restore(unpack(kept), self._clock()):
            self._events.info("session.recalled", profile=name)

    @property
    def is_busy(self) -> bool:
        """True while a renewal is requested or running."""
        return self._renewals.is_starting or bool(self._wanted)

    def wind_up(self) -> None:
        """Raise no prompt any more: the daemon would end before the answer is used."""
        self._lanes.wind_up()

    async def drain(self, seconds: float) -> None:
        """Wait up to `seconds` for the sessions that are wanted."""
        await self._lanes.drain(seconds)

    # For the clock

    async def run(self, on_look: Callable[[], None] = lambda: None, tick_seconds: float = LOOK_AGAIN_SECONDS) -> None:
        """Look after the sessions until cancelled, at least every `tick_seconds`; calls `on_look` after each look.

        It never waits until an instant, so a suspend or a stepped clock needs no special case.
        """
        try:
            while True:
                await self.look()
                on_look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(tick_seconds, self._rest_seconds())):
                        await self._look_now.wait()
                        # Each of many results sets the event: one look at all sessions serves those that come together.
                        await asyncio.sleep(SHORTEST_REST_SECONDS)
                self._look_now.clear()
        finally:
            await self._lanes.close()

    async def look(self) -> None:
        """Ask the core, for every session, whether the clock starts a renewal or a warning is due."""
        ledger, now = self._ledger, self._clock()
        if any(ledger[name].needs_presence(ledger.policy(name, now), now) for name in ledger.names):
            await self._presence.see()
            now = self._clock()
        for name in self._ledger.names:
            self._renewals.want(name, Trigger.CLOCK, now)
            self._warn_of_end(name, now)

    def _obey_lock(self, scene: Scene) -> None:
        for name in self._ledger.obey_lock(scene, self._clock()):
            self._events.info("session.forgotten", profile=name, cause="lock")

    def _warn_of_end(self, name: str, now: datetime) -> None:
        """Announce that credentials in use are about to expire."""
        seconds = self._ledger[name].warning_seconds(self._ledger.policy(name, now), now)
        if seconds is not None:
            self._ledger[name] = self._ledger[name].warned(seconds)
            left = round(self._ledger[name].left_seconds(now))
            self._events.warning("session.ending", profile=name, left_seconds=left)

    def _rest_seconds(self) -> float:
        now, ledger = self._clock(), self._ledger
        rests = (ledger[name].look_again_seconds(ledger.policy(name, now), now) for name in ledger.names)
        return max(SHORTEST_REST_SECONDS, min(rests, default=LOOK_AGAIN_SECONDS))

    def _usable(self, profile: str) -> Credentials | None:
        """Live credentials for the profile; raises ConfigChanged where a reload has taken the profile out."""
        if profile not in self.config.profiles:
            raise profile_changed(profile)
        return self._ledger[self._ledger.name_of(profile)].usable(self._clock())
