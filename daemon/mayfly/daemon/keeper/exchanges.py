"""One exchange from start to end: launches it, sends the request, records the results.

Law: every session that an exchange has been given is answered before the exchange is over, even after a fault.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from typing import NamedTuple

from mayfly.daemon.events import Events
from mayfly.daemon.keeper import common_errors, result_checks
from mayfly.daemon.keeper.batches import Asked, Batch
from mayfly.daemon.keeper.code_queue import next_code_seconds
from mayfly.daemon.keeper.debounce import Debounce
from mayfly.daemon.keeper.idle_timer import IdleTimer
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.presence import PresenceWatch
from mayfly.daemon.keeper.progress import profiles_that_wait, progress_of
from mayfly.daemon.keeper.recorder import Recorder
from mayfly.daemon.keeper.verification import Verification
from mayfly.daemon.keeper.wanted import WantedSessions
from mayfly.daemon.launcher import Exchange, Launcher
from mayfly.shared import stages
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
from mayfly.shared.stages import Stage
from mayfly.shared.text import failure_words
from mayfly.shared.wire import Request, Result


async def _nothing() -> None:
    """Prepare nothing."""


class Calls(NamedTuple):
    """What a lane wants to be called for.

    `prepare` and `compose` (the request) when the exchange is ready to be asked. `on_idle` if all logins of the batch
    are done, and its roles have been silent for a while. `on_locked` with the error if the screen is locked.
    """

    compose: Callable[[], Batch]
    prepare: Callable[[], Awaitable[None]] = _nothing
    on_idle: Callable[[], None] = lambda: None
    on_locked: Callable[[MayflyError], None] = lambda _error: None


class Exchanges:
    """Runs exchanges, several at once if need be. Calls `on_result` after each result, while the exchange goes on."""

    def __init__(
        self,
        ledger: Ledger,
        wanted: WantedSessions,
        *,
        launch: Launcher,
        clock: Callable[[], datetime],
        events: Events,
        presence: PresenceWatch,
        verification: Verification,
        on_result: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._wanted = wanted
        self._launch = launch
        self._clock = clock
        self._events = events
        self._presence = presence
        self._verification = verification
        self._on_result = on_result
        self._recorder = Recorder(ledger, clock=clock, events=events, presence=presence)
        self.debounce = Debounce()
        self.is_winding_up = False
        self.is_closed = False

    async def run(self, calls: Calls) -> None:
        """Launch an exchange, ask it for the batch of `calls.compose`, and enter the results."""
        batch: Batch | None = None
        error: MayflyError = ExchangeFailed("the exchange could not be started")
        try:
            async with self._launch() as exchange:
                await self.debounce.wait()
                await calls.prepare()
                batch = calls.compose()
                await self._ask(exchange, batch, calls)
        except OSError as reason:
            error = common_errors.not_started(reason)
        except MayflyError as reason:
            error = reason
        finally:
            if batch is None:
                self._fail_all(calls.compose().request.profiles, error)

    def _fail_all(self, names: Iterable[str], error: MayflyError) -> None:
        # ExitStack runs every callback, even after an error.
        with ExitStack() as calls:
            for name in names:
                calls.callback(self.fail, name, error)

    def fail(self, name: str, error: MayflyError) -> None:
        """Enter a failed attempt, and answer the session's clients. Does nothing once the engine is closed."""
        if self.is_closed:
            return
        try:
            self._recorder.failed(name, error)
        finally:
            self._wanted.answer(name, error)

    async def _ask(self, exchange: Exchange, batch: Batch, calls: Calls) -> None:
        """Record every result as it comes, and an error for each session without a result."""
        left = dict.fromkeys(batch.request.profiles)
        asked = Asked(batch.request, self._ledger.config, self._clock())
        error: MayflyError = ExchangeFailed("the exchange broke off by a fault of mayfly's own")
        try:
            self._mark_in_exchange(batch)
            if left:
                error = await self._receive(exchange, asked, left, calls.on_idle)
        except OSError as reason:
            error = ExchangeFailed(f"the exchange broke off: {failure_words(reason)}")
        except MayflyError as reason:
            error = reason
        finally:
            # ExitStack runs every callback, even after an error.
            with ExitStack() as last:
                for name in () if self.is_closed else left:
                    last.callback(self._enter, Result(profile=name, outcome=error), asked)
        if isinstance(error, ScreenLocked):
            calls.on_locked(error)

    def _mark_in_exchange(self, batch: Batch) -> None:
        """Mark the sessions of this exchange, so that no other exchange gets them."""
        for name in batch.request.profiles:
            self._wanted.enter_exchange(name, self._ledger.kind(name))
        for name, code_user in batch.waiting.items():
            self._wanted.wait_for_code(name, code_user)
            self._tell_stage(stages.CODE, [name], next_code_seconds(self._clock()))

    async def _receive(
        self, exchange: Exchange, asked: Asked, left: dict[str, None], on_idle: Callable[[], None]
    ) -> MayflyError:
        """Record the results and remove their names from `left`. Returns the error for sessions without a result."""
        error = ExchangeFailed("the exchange ended without an answer")
        logins = {name for name in left if self._ledger.is_base(name)}
        self._events.info("exchange.started", kind=asked.request.kind, profiles=list(left))
        idle_timer = IdleTimer(on_idle)
        try:
            async for result in exchange.ask(asked.request, lambda: self._check_prompt(asked)):
                if isinstance(result, Stage):
                    self._enter_stage(result, asked)
                    continue
                if result.profile not in left:
                    error = ExchangeFailed("the exchange answered for a profile that was not asked for, or twice")
                    continue
                self._enter(result, asked)
                del left[result.profile]
                self._on_result()
                if logins.isdisjoint(left):
                    idle_timer.restart()
        finally:
            idle_timer.cancel()
        return error

    def _enter_stage(self, stage: Stage, asked: Asked) -> None:
        """Note what is waited for, and tell it."""
        here = [self._ledger.current_name(asked.config, name) for name in stage.profiles]
        names = [name for name in here if name]
        for name in names:
            self._wanted.note_progress(name, progress_of(stage, self._clock()))
        self._tell_stage(stage.name, names, stage.left_seconds)

    def _tell_stage(self, stage: str, names: Iterable[str], left_seconds: float | None) -> None:
        left = None if left_seconds is None else round(left_seconds)
        profiles = profiles_that_wait(self._ledger, self._wanted, names)
        self._events.info("exchange.stage_reached", stage=stage, profiles=profiles, left_seconds=left)

    async def _check_prompt(self, asked: Asked) -> None:
        """The exchange is about to prompt a person: raise the error that forbids it now, if any.

        A person whose request has ended may have locked the screen on leaving, so a look of a second ago is too old.
        """
        names = [self._ledger.current_name(asked.config, name) for name in asked.request.profiles]
        has_lapsed = any(self._wanted.has_lapsed(name) for name in names)
        is_locked = not self._may_pass_lock(names) and await self._presence.is_locked(afresh=has_lapsed)
        if self.is_winding_up:
            raise common_errors.stopping()
        if is_locked and not self._may_pass_lock(names):
            raise ScreenLocked

    def _may_pass_lock(self, names: Iterable[str | None]) -> bool:
        return any(self._wanted.may_pass_lock(name) for name in names)

    # Recording results

    def _enter(self, result: Result, asked: Asked) -> None:
        """Enter a result under the session's current name, and answer its clients.

        A grant's is entered only where the grant of that name would still be asked for by the same order.
        """
        name, order = self._ledger.current_name(asked.config, result.profile), asked.request.grants.get(result.profile)
        if name is None or (order and not self._ledger.links.is_order_of(name, order)):
            return
        if self._is_about_another_config(result.outcome, asked):
            self._wanted.queue(name)
            return
        error: MayflyError | None = ExchangeFailed("the result was lost by a fault of mayfly's own")
        try:
            error = self._entered(name, result, asked)
        finally:
            self._wanted.answer(name, error)

    def _entered(self, name: str, result: Result, asked: Asked) -> MayflyError | None:
        """Enter a result in the ledger. Returns the error for the session's clients, or None."""
        try:
            match result.outcome:
                case Credentials() as credentials:
                    order = asked.request.grants.get(result.profile)
                    result_checks.check_order(credentials, order, result.aws_at)
                    skew = result_checks.skew_seconds(result.aws_at, asked_at=asked.at, now=self._clock())
                    return self._recorder.issued(name, credentials, skew, order)
                case MayflyError() as answered:
                    error = answered
                case _:
                    error = ExchangeFailed("the exchange misunderstood")
        except MayflyError as reason:
            error = reason
        if isinstance(error, SessionEnded | AccessKeyUnknown):
            self._suspect_source(name, asked.request)
        self._recorder.failed(name, error)
        return error

    def _is_about_another_config(self, outcome: object, asked: Asked) -> bool:
        """True if the exchange refused a config that has been replaced since. The session is then asked for again."""
        is_refused = isinstance(outcome, ConfigChanged | ConfigInvalid)
        return is_refused and asked.config.digest != self._ledger.config.digest

    def _suspect_source(self, name: str, request: Request) -> None:
        """AWS refused the source session of a role: it may have been revoked, or the role's region is not enabled."""
        source = self._ledger.live_source(name, self._clock())
        if source and self._ledger[source].credentials in request.sessions.values():
            self._verification.suspect(source, is_refused=True)
