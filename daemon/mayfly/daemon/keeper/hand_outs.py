"""Handing out credentials: from memory, or after a wait for new ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from mayfly.config.lasting import check_lasting
from mayfly.daemon.keeper.common_errors import gone
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.lock_guard import LockGuard
from mayfly.daemon.keeper.profile_waits import ProfileWaits
from mayfly.daemon.keeper.renewals import Asking, Renewals
from mayfly.session.trigger import NOBODY, Requester, Trigger
from mayfly.shared import grant
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import DurationRefused, ExchangeFailed


class HandOuts:
    """Gives credentials for a profile's name, or for the subject of a grant."""

    def __init__(
        self,
        ledger: Ledger,
        renewals: Renewals,
        *,
        clock: Callable[[], datetime],
        guard: LockGuard,
        waits: ProfileWaits,
    ) -> None:
        self._ledger = ledger
        self._renewals = renewals
        self._clock = clock
        self._guard = guard
        self._waits = waits

    def take(self, profile: str, requester: Requester = NOBODY) -> Credentials | None:
        """Live credentials from memory, or None; starts a renewal in the background where they are due.

        None also where the screen must be looked at first, or keeps them back: `obtain` does that, and says why.
        `requester` is told to the person who is prompted.
        """
        if profile not in self._ledger.links:
            return None
        name, now = self._ledger.name_of(profile), self._clock()
        credentials = self._ledger.usable(name, now)
        if credentials is None or not self._guard.is_open(profile):
            return None
        self._ledger.note_fetch(name, now)
        self._renewals.wake(name, Asking(profile, Trigger.CLIENT, requester), now)
        return credentials

    def keep(self, profile: str) -> Credentials | None:
        """As `take`, for a file that is kept fresh. No client waits for it, so it raises no prompt; the clock may."""
        if profile not in self._ledger.links:
            return None
        name, now = self._ledger.name_of(profile), self._clock()
        if not self._ledger.policy(name, now).asks_human:
            if self._ledger[name].forgotten and self._guard.is_open(profile):
                # The file's readers cannot ask for what a person had dropped, and no prompt comes of it.
                self._ledger.note_fetch(name, now)
            return self.take(profile)
        if self._ledger.usable(name, now) is None or not self._guard.is_open(profile):
            return None
        self._ledger.note_fetch(name, now)
        return self._ledger.usable(name, now)

    async def peek(self, profile: str) -> Credentials | None:
        """Live credentials, or None; starts nothing, and counts as no fetch. Raises ScreenLocked and ConfigChanged."""
        await self._guard.look(profile)
        return self._usable(profile)

    async def obtain(self, asking: Asking) -> Credentials:
        """Wait for new credentials; raises the MayflyError that stands in the way.

        A client also gets old credentials, as long as they are live. A person's `through_lock` holds until this call
        ends. `min_life_seconds`: credentials that live so long are enough for a person, too, and others are not enough
        for a client. Cancelling the call ends the wait, not the renewal.
        """
        is_client = asking.trigger is Trigger.CLIENT
        check_lasting(self._ledger.config, grant.profile_of(asking.profile), asking.min_life_seconds)
        if is_client:
            await self._guard.look(asking.profile)
        if known := self._at_hand(asking):
            return known
        try:
            await self._renewed(asking)
        finally:
            if asking.person:
                asking.person.end()
        if is_client:
            await self._guard.look(asking.profile)
        credentials = self._usable(asking.profile)
        if credentials is None:
            raise ExchangeFailed("the credentials ended before they could be handed out", hint="ask again")
        if not self._lasts(asking):
            left = self._ledger[self._ledger.name_of(asking.profile)].left_seconds(self._clock())
            needed = f"{asking.min_life_seconds:.0f} are needed"
            raise DurationRefused(f"AWS gave {asking.profile} {left:.0f} seconds, and {needed}")
        if is_client:
            self._ledger.note_fetch(self._ledger.name_of(asking.profile), self._clock())
        return credentials

    def _at_hand(self, asking: Asking) -> Credentials | None:
        """Live credentials that are enough. A person gets new ones, unless a shortest life is given."""
        is_client = asking.trigger is Trigger.CLIENT
        if asking.profile not in self._ledger.links or not (is_client or asking.min_life_seconds):
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

    def _usable(self, profile: str) -> Credentials | None:
        """Credentials that may be handed out; raises a MayflyError where the profile or the grant is gone."""
        if profile not in self._ledger.links:
            raise gone(profile)
        return self._ledger.usable(self._ledger.name_of(profile), self._clock())
