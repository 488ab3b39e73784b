"""The engine's front: the calls of the endpoint, the control socket and the clock."""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Iterable
from datetime import datetime

from mayfly.config.model import Config
from mayfly.daemon.events import Events
from mayfly.daemon.keeper.common_errors import gone
from mayfly.daemon.keeper.grant_session import GrantSession
from mayfly.daemon.keeper.hand_outs import HandOuts
from mayfly.daemon.keeper.lanes import Lanes
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.lock_guard import LockGuard
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.daemon.keeper.profile_waits import ProfileWaits
from mayfly.daemon.keeper.progress import status_of
from mayfly.daemon.keeper.renewals import Asking, Renewals
from mayfly.daemon.keeper.rounds import Rounds
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
from mayfly.shared.errors import MayflyError
from mayfly.shared.wire import Identity


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
        self._waits = ProfileWaits(self._ledger.links.origin)
        self._renewals = Renewals(
            self._ledger, self._lanes, clock=clock, events=events, presence=self._presence, tasks=self._tasks
        )
        self._guard = LockGuard(self._ledger, self._presence)
        self._hand_outs = HandOuts(self._ledger, self._renewals, clock=clock, guard=self._guard, waits=self._waits)
        self._rounds = Rounds(
            self._ledger,
            self._wanted,
            self._renewals,
            clock=clock,
            events=events,
            presence=self._presence,
            look_now=self._look_now,
        )

    @property
    def config(self) -> Config:
        """The config in force."""
        return self._ledger.config

    # Grants

    def admit(self, session: GrantSession) -> None:
        """Know a grant's session: from now on its subject may stand for a profile's name in the calls below.

        It is got when it is first asked for, or by the clock with `refresh` always. Raises ValueError where the profile
        can have none, because it is no role, needs a code of its own, or has session policies.
        """
        self._ledger.admit(session)
        if session.refresh == "always":
            self._look_now.set()

    def dismiss(self, subject: str, error: MayflyError) -> None:
        """A grant has ended: drop its session, and answer those that wait for it with `error`.

        Does nothing where there is no such grant.
        """
        self._ledger.dismiss(subject)
        if subject in self._wanted:
            self._wanted.answer(subject, error)
        self._waits.dismiss(subject, error)

    def grants_of(self, profile: str) -> list[str]:
        """The subjects of the profile's grants that were admitted."""
        return self._ledger.links.grants_of(profile)

    # For the endpoint and the control socket: `profile` is a profile's name, or the subject of a grant

    def take(self, profile: str, requester: Requester = NOBODY) -> Credentials | None:
        """Live credentials from memory, or None, as `HandOuts.take` says."""
        return self._hand_outs.take(profile, requester)

    def keep(self, profile: str) -> Credentials | None:
        """Live credentials for a file that is to be fresh, or None, as `HandOuts.keep` says."""
        return self._hand_outs.keep(profile)

    def heeds_lock(self, profile: str) -> bool:
        """True if a lock of the screen keeps the profile's credentials back."""
        return self._guard.heeds(profile)

    async def is_withheld(self, profile: str) -> bool:
        """True if the screen is locked, and keeps the profile's credentials back; a look is a second old at most."""
        return await self._guard.is_shut(profile)

    async def peek(self, profile: str) -> Credentials | None:
        """Live credentials, or None; starts nothing. Raises what `HandOuts.peek` does."""
        return await self._hand_outs.peek(profile)

    async def obtain(
        self,
        profile: str,
        trigger: Trigger,
        requester: Requester = NOBODY,
        *,
        through_lock: bool = False,
        min_life_seconds: float = 0,
    ) -> Credentials:
        """Wait for credentials that are enough; raises the MayflyError that stands in the way, as `HandOuts.obtain`.

        `through_lock`: a person may be prompted through a locked screen, until this call ends. `min_life_seconds`: how
        long the credentials must live.
        """
        person = PersonsRequest(through_lock=through_lock) if trigger is Trigger.PERSON else None
        return await self._hand_outs.obtain(Asking(profile, trigger, requester, person, min_life_seconds))

    def asks_human(self, profile: str) -> bool:
        """True if a renewal for the profile would need a person's approval now.

        Raises ConfigChanged where a reload has taken the profile out.
        """
        if profile not in self._ledger.links:
            raise gone(profile)
        return self._ledger.policy(self._ledger.name_of(profile), self._clock()).asks_human

    async def identify(self, profile: str) -> Identity:
        """The identity of the profile's session, from AWS; raises a MayflyError if there is none, or AWS refuses."""
        credentials = self.take(profile) or await self.obtain(profile, Trigger.CLIENT)
        return await self._verification.identity(self._ledger.name_of(profile), credentials)

    def suspect(self, profile: str) -> None:
        """A client returned so soon that AWS may have refused its credentials: ask AWS, and renew if it refuses.

        Does nothing where a reload has taken the profile out of the config.
        """
        if profile in self._ledger.links:
            self._verification.suspect(self._ledger.name_of(profile), is_refused=False)

    async def _on_rejected(self) -> None:
        self._look_now.set()
        await self.look()

    def age_seconds(self, profile: str) -> float:
        """The age of the profile's session in seconds; 0 if there is none."""
        if profile not in self._ledger.links:
            return 0
        issued_at = self._ledger[self._ledger.name_of(profile)].issued_at
        return (self._clock() - issued_at).total_seconds() if issued_at else 0

    def left_seconds(self, profile: str) -> float:
        """For how long the profile's session lives; 0 if there is none."""
        if profile not in self._ledger.links:
            return 0
        return self._ledger[self._ledger.name_of(profile)].left_seconds(self._clock())

    def forget(self, profiles: Iterable[str]) -> None:
        """Drop credentials from memory, and their grants' too; the clock gets no new ones before somebody asks."""
        names = {self._ledger.name_of(profile): profile for profile in profiles}
        for name in (*names, *(used for profile in names.values() for used in self._ledger.used_grants_of(profile))):
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
        """Take over a changed config; the sessions of unchanged profiles go on, and those of their grants.

        Grants of profiles that were changed or taken out are dismissed.
        """
        before = self._ledger.config
        self._ledger.adopt(config)
        self._lanes.adopt(before)
        self._waits.follow_reload()
        self._look_now.set()

    # The process's beginning and end

    def snapshot(self) -> bytes:
        """The sessions, for `restore`; b"" where there are none. A secret."""
        return pack(self._ledger.snapshot(self._clock()))

    def restore(self, kept: bytes) -> None:
        """Take over an earlier process's `snapshot`, as far as it still holds; b"" where there is none.

        Grants are admitted before.

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
        """Look after the sessions until cancelled, at least every `tick_seconds`; calls `on_look` after each look."""
        try:
            await self._rounds.run(on_look, tick_seconds)
        finally:
            await self._lanes.close()

    async def look(self) -> None:
        """Ask the core, for every session, whether the clock starts a renewal or a warning is due."""
        await self._rounds.look()

    def _obey_lock(self, scene: Scene) -> None:
        for name in self._ledger.obey_lock(scene, self._clock()):
            self._events.info("session.forgotten", profile=name, cause="lock")
