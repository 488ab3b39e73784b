"""Records results in the ledger: new credentials, if they pass the checks, or a failure."""

from __future__ import annotations

import random

from collections.abc import Callable
from datetime import datetime

from mayfly.daemon.events import Events
from mayfly.daemon.keeper import result_checks
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.session import MAX_JITTER_SECONDS, screen_lock
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import ExchangeFailed, MayflyError, ScreenLocked


class Recorder:
    """Records results, and logs them."""

    def __init__(
        self, ledger: Ledger, *, clock: Callable[[], datetime], events: Events, presence: PresenceWatch
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._events = events
        self._presence = presence

    def issued(self, name: str, credentials: Credentials, skew_seconds: float) -> MayflyError | None:
        """Record new credentials. Returns the error for clients if the session was forgotten meanwhile, or by a lock.

        Raises a MayflyError if the credentials do not pass the checks.
        """
        now, profile = self._clock(), self._ledger.config.profiles[name]
        result_checks.check_account(credentials, profile.account_id)
        skew_seconds = result_checks.plausible_skew(
            skew_seconds, credentials, asked_seconds=profile.duration_seconds, now=now
        )
        result_checks.check_life(credentials, skew_seconds=skew_seconds, now=now)
        if self._ledger[name].forgotten:
            return ExchangeFailed(f"{name} was forgotten during the renewal", hint="ask again")
        policy, scene = self._ledger.policy(name, now), self._presence.scene
        if screen_lock.is_dropped(policy.on_lock, scene):
            return ScreenLocked(f"the screen was locked during the renewal, and on_lock forgets {name}")
        session = self._ledger[name].issued(
            credentials,
            skew_seconds=skew_seconds,
            jitter_seconds=0 if policy.asks_human else random.uniform(0, MAX_JITTER_SECONDS),  # noqa: S311 - no secret
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
        return None

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
