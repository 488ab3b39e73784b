"""Records results in the ledger: new credentials, if they pass the checks, or a failure."""

from __future__ import annotations

import random

from collections.abc import Callable
from datetime import datetime

from mayfly.daemon.events import Events
from mayfly.daemon.keeper import result_checks
from mayfly.daemon.keeper.common_errors import gone, grant_ended
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.session import MAX_JITTER_SECONDS, screen_lock
from mayfly.shared import grant
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import ExchangeFailed, MayflyError, ScreenLocked
from mayfly.shared.grant import GrantOrder


class Recorder:
    """Records results, and logs them."""

    def __init__(
        self, ledger: Ledger, *, clock: Callable[[], datetime], events: Events, presence: PresenceWatch
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._events = events
        self._presence = presence

    def issued(
        self, name: str, credentials: Credentials, skew_seconds: float, order: GrantOrder | None = None
    ) -> MayflyError | None:
        """Record new credentials; `order` is what a grant's were asked by.

        Returns the error for clients if the session was forgotten meanwhile, or by a lock, or if its grant has ended.
        Raises a MayflyError if the credentials do not pass the checks.
        """
        now, profile = self._clock(), self._ledger.links.profile(name)
        if profile is None:
            return gone(name)
        result_checks.check_account(credentials, profile.account_id)
        asked_seconds = order.seconds if order else profile.duration_seconds
        skew_seconds = result_checks.plausible_skew(skew_seconds, credentials, asked_seconds=asked_seconds, now=now)
        result_checks.check_life(credentials, skew_seconds=skew_seconds, now=now)
        if error := self._refusal(name, now):
            return error
        session = self._ledger[name].issued(
            credentials, skew_seconds=skew_seconds, jitter_seconds=self._jitter_seconds(name, now), now=now
        )
        self._ledger[name] = session
        self._events.info(
            "session.refreshed",
            profile=name,
            access_key_id=credentials.access_key_id,
            expires_in_seconds=round(session.left_seconds(now)),
            skew_seconds=round(skew_seconds),
        )
        return None

    def _refusal(self, name: str, now: datetime) -> MayflyError | None:
        """The error for clients if there must be no credentials any more."""
        profile, policy = grant.profile_of(name), self._ledger.policy(name, now)
        if self._ledger.has_ended(name, now):
            return grant_ended(name)
        if self._ledger[name].forgotten:
            return ExchangeFailed(f"{profile} was forgotten during the renewal", hint="ask again")
        if screen_lock.is_dropped(policy.on_lock, self._presence.scene):
            return ScreenLocked(f"the screen was locked during the renewal, and on_lock forgets {profile}")
        return None

    def _jitter_seconds(self, name: str, now: datetime) -> float:
        """Spreads renewals that nobody is asked for. Grants' fall due together, so that one exchange serves them."""
        if self._ledger.policy(name, now).asks_human or self._ledger.links.grant(name):
            return 0
        return random.uniform(0, MAX_JITTER_SECONDS)  # noqa: S311 - no secret

    def failed(self, name: str, error: MayflyError) -> None:
        """Record a failed attempt. A failure of the session below a role is not the role's failure.

        A login that is given up because the screen is locked has not failed: it may be tried again after the unlock.
        """
        now = self._clock()
        if isinstance(error, ScreenLocked):
            self._events.info("login.withheld", profile=name)
            return
        if not self._ledger.has_source(name, now):
            return
        session = self._ledger[name].failed(
            error,
            self._ledger.policy(name, now),
            jitter=random.random(),  # noqa: S311 - no secret
            now=now,
            unlocked_at=self._presence.scene.unlocked_at,
        )
        self._ledger[name] = session
        self._events.warning(
            "session.refresh_failed",
            profile=name,
            code=error.code,
            reason=error.message,
            retry_after_seconds=round(session.retry_after_seconds),
            failures=session.consecutive_failures,
            in_use=session.is_in_use(),
        )
