"""The laws of the core, under any order of events and any jump of any clock."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mayfly.config.values import ON_LOCK
from mayfly.daemon.keeper.snapshot import StoredSession, pack, unpack
from mayfly.session import LOOK_AGAIN_SECONDS, Phase, Session, first_usable_step
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.session.screen_lock import is_dropped
from mayfly.session.trigger import Trigger
from mayfly.shared.clock import Clock
from mayfly.shared.desk import Presence, Scene
from mayfly.shared.errors import ApprovalDismissed, AwsUnknown, MayflyError, OnePasswordHung
from support.engine import HERE, HOUR, NOON, at, credentials
from support.laws import A_STEP, ERRORS, SOME_TIME, Sources, changed


pytestmark = pytest.mark.laws

LIVES = st.one_of(st.floats(900, 3600), st.floats(2700, 36 * HOUR)).map(round)


class AnyLife(RuleBasedStateMachine):
    """A session through any events, driven as the keeper drives it."""

    def __init__(self) -> None:
        super().__init__()
        self.sources = Sources()
        self.clock = self.sources.clock()
        self.scene = Scene()
        self.past: list[tuple[Session, dict[str, Any]]] = []
        self.enter(Session())
        self.own_prompts_after_no = 0
        self.was_refused_in_time = False
        self.days_topped_up: list[datetime] = []

    @initialize(
        mode=st.sampled_from(["always", "while-used", "on-demand"]),
        asks_human=st.booleans(),
        offset=A_STEP,
        on_lock=st.sampled_from(ON_LOCK),
        top_up=st.booleans(),
    )
    def begin(self, mode: str, asks_human: bool, offset: float, on_lock: str, top_up: bool) -> None:
        self.policy = RefreshPolicy(mode=mode, asks_human=asks_human, on_lock=on_lock, top_up=top_up)
        self.sources.wall_offset_seconds = offset
        self.clock = self.sources.clock()

    def enter(self, session: Session) -> None:
        """Remember every value as it was."""
        self.session = session
        self.past.append((session, attrs.asdict(session, recurse=False)))

    # What the world does

    @rule(seconds=SOME_TIME)
    def time_passes(self, seconds: float) -> None:
        self.sources.true_seconds += seconds

    @rule(seconds=A_STEP)
    def somebody_sets_the_clock(self, seconds: float) -> None:
        self.sources.wall_offset_seconds += seconds

    @rule(presence=st.sampled_from(Presence), after_a_night=st.booleans())
    def somebody_comes_or_goes(self, presence: Presence, after_a_night: bool) -> None:
        self.scene = changed(self.scene, presence, self.clock())
        if after_a_night and presence is Presence.PRESENT:
            self.scene = attrs.evolve(self.scene, day_began_at=self.clock())
        if is_dropped(self.policy.on_lock, self.scene):
            self.enter(self.session.locked_away())

    @rule()
    def a_client_fetches(self) -> None:
        self.enter(self.session.fetched(self.clock()))

    @rule()
    def somebody_forgets(self) -> None:
        self.enter(self.session.forgot())
        self.was_refused_in_time = False

    @rule()
    def the_daemon_restarts(self) -> None:
        """The next process takes the session over, and the laws go on."""
        kept = unpack(pack({"nsrc": StoredSession("", self.session.to_keep(self.policy))}))
        self.enter(kept["nsrc"].session.recalled(self.clock()) if kept else Session())

    @rule()
    def aws_refuses(self) -> None:
        self.enter(self.session.rejected(AwsUnknown("no"), self.policy, self.clock()))
        self.was_refused_in_time = False

    # What the keeper does

    @rule(
        trigger=st.sampled_from(Trigger),
        life=LIVES,
        jitter=st.floats(0, 60),
        error=st.one_of(st.none(), st.sampled_from(ERRORS)),
        takes=st.floats(0, 100),
        through_lock=st.booleans(),
    )
    def attempt(
        self,
        trigger: Trigger,
        life: int,
        jitter: float,
        error: MayflyError | None,
        takes: float,
        through_lock: bool,
    ) -> None:
        now = self.clock()
        if trigger is Trigger.PERSON:
            self.enter(self.session.asked_by_person())
        if not self.session.may_renew(self.policy, trigger, self.scene, now, through_lock=through_lock):
            return
        self.check_attempt(trigger, now, through_lock)
        self.sources.true_seconds += takes
        if error:
            self.fail(error, jitter / 60)
        else:
            self.issue(life, jitter)

    def check_attempt(self, trigger: Trigger, now: datetime, through_lock: bool) -> None:
        """Only `--through-lock` prompts through a lock; after a refusal the clock prompts once more at most."""
        if self.policy.asks_human and self.scene.presence is Presence.LOCKED:
            assert (Trigger.PERSON, True) == (trigger, through_lock)
        is_topped_up = self.session._is_topped_up(self.policy, self.scene)
        if trigger is Trigger.CLOCK and is_topped_up and self.scene.day_began_at:
            assert self.scene.day_began_at not in self.days_topped_up
            assert (False, True) == (self.session.forgotten, self.session.is_in_use())
            self.days_topped_up.append(self.scene.day_began_at)
        elif trigger is Trigger.CLOCK:
            assert not self.session.forgotten
            assert self.policy.mode != "on-demand"
            assert self.policy.mode == "always" or self.session.is_in_use()
        else:
            self.was_refused_in_time = False
        if trigger is Trigger.CLOCK and self.policy.asks_human and self.was_refused_in_time and not is_topped_up:
            self.own_prompts_after_no += 1
            assert self.own_prompts_after_no <= 1
        retry_at = self.session.retry_not_before_at()
        assert trigger is not Trigger.CLIENT or retry_at is None or now >= retry_at

    def fail(self, error: MayflyError, jitter: float) -> None:
        now = self.clock()
        self.enter(self.session.failed(error, self.policy, jitter=jitter, now=now))
        left = self.session.left_seconds(now)
        is_no = self.policy.asks_human and isinstance(error, OnePasswordHung)
        if error.retryable and not is_no and error.retry_after_seconds is None and left > self.cut_seconds():
            assert self.session.retry_after_seconds < left
        is_fresh = self.session.phase(self.policy, now) is Phase.FRESH
        if isinstance(error, ApprovalDismissed) and not self.was_refused_in_time and not is_fresh:
            self.was_refused_in_time, self.own_prompts_after_no = True, 0
        elif not isinstance(error, ApprovalDismissed):
            self.was_refused_in_time = False

    def cut_seconds(self) -> float:
        """The remaining life below which a delay is not cut."""
        return 300 if self.policy.asks_human else 1

    def issue(self, life: int, jitter: float) -> None:
        """AWS's clock is the true one, so the skew is known exactly."""
        now = self.clock()
        aws_now = at(self.sources.true_seconds)
        fresh = credentials(aws_now + timedelta(seconds=life))
        skew = (aws_now - now).total_seconds()
        self.enter(self.session.issued(fresh, skew_seconds=skew, jitter_seconds=jitter, now=now))
        self.was_refused_in_time = False
        assert Phase.FRESH is self.session.phase(self.policy, now)

    # What is true at every moment

    @invariant()
    def nothing_expired_is_handed_out(self) -> None:
        """Law 4, by AWS's own clock."""
        handed = self.session.usable(self.clock())
        assert handed is None or at(self.sources.true_seconds) < handed.expiration

    @invariant()
    def nothing_outlives_a_lock_that_must_not(self) -> None:
        """Behind a lock there is nothing to forget, and nobody gets anything new."""
        if is_dropped(self.policy.on_lock, self.scene):
            now = self.clock()
            assert self.session.credentials is None
            assert not any(self.session.may_renew(self.policy, trigger, self.scene, now) for trigger in Trigger)

    @invariant()
    def what_was_stays_as_it_was(self) -> None:
        """Law 3."""
        for session, fields in self.past[-3:]:
            assert fields == attrs.asdict(session, recurse=False)

    @invariant()
    def no_boundary_is_overslept(self) -> None:
        """Until the next look, the passing of time changes no decision."""
        now = self.clock()
        rest = self.session.look_again_seconds(self.policy, now)
        assert 0 < rest <= LOOK_AGAIN_SECONDS
        before = self.what_holds(now)
        if rest > 0.01:
            assert [before] * 3 == [self.what_holds(now + timedelta(seconds=rest * part)) for part in (0.1, 0.5, 0.99)]

    def what_holds(self, now: datetime) -> tuple[Any, ...]:
        return (
            self.session.phase(self.policy, now),
            *(self.session.may_renew(self.policy, trigger, self.scene, now) for trigger in Trigger),
            self.session.warning_seconds(self.policy, now),
        )


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=80, stateful_step_count=40)


@given(
    life=st.integers(2700, int(36 * HOUR)),
    asks_human=st.booleans(),
    jitter=st.floats(0, 60),
    every=st.floats(0.01, 0.5),
    slowness=st.floats(0, 1),
)
@settings(max_examples=100)
def test_nobody_is_handed_a_short_life(
    life: int, asks_human: bool, jitter: float, every: float, slowness: float
) -> None:
    """With lives of 45 minutes or more and somebody to answer in time, no client gets under 15 minutes."""
    policy = RefreshPolicy(mode="while-used", asks_human=asks_human)
    takes = slowness * 300

    def renewed(session: Session, second: float) -> Session:
        fresh = credentials(at(second + life))
        return session.issued(fresh, skew_seconds=0, jitter_seconds=0 if asks_human else jitter, now=at(second))

    second, next_fetch, comes_at = 0.0, 0.0, None
    session = renewed(Session(), 0)
    for _ in range(600):
        if comes_at is not None and second >= comes_at:
            session, comes_at = renewed(session, second), None
        if comes_at is None and session.may_renew(policy, Trigger.CLOCK, HERE, at(second)):
            comes_at = second + takes
        if second >= next_fetch:
            assert session.usable(at(second))
            assert session.left_seconds(at(second)) >= 900
            session, next_fetch = session.fetched(at(second)), second + every * life
        # Nothing changes before the window: the half minutes until then are passed over.
        idle = session.left_seconds(at(second)) - session.window_seconds(policy)
        rest = idle if idle > 0 else session.look_again_seconds(policy, at(second))
        second = min(value for value in (second + rest, next_fetch, comes_at) if value is not None and value > second)


@given(st.lists(st.integers(0, 10)))
def test_no_code_goes_out_twice(now_steps: list[int]) -> None:
    """Law 5: with any time on the clock, every code that is sent is of a later step than all before it."""
    sent: list[int] = []
    for now_step in now_steps:
        sent.append(first_usable_step(sent[-1] if sent else None, now_step))
    assert sorted(set(sent)) == sent


# The clock that feeds the core

TICKS = st.lists(st.tuples(st.floats(0, 12 * HOUR), st.floats(-2 * HOUR, 2 * HOUR)), max_size=20)


@given(TICKS)
def test_the_clock_never_runs_back_and_never_runs_slow(ticks: list[tuple[float, float]]) -> None:
    """However the wall clock is set, at least as much time passes as really does."""
    sources = Sources()
    clock = sources.clock()
    before = clock()
    for passes, step in ticks:
        sources.true_seconds += passes
        sources.wall_offset_seconds += step
        now = clock()
        assert now - before >= timedelta(seconds=passes) - timedelta(microseconds=2)
        before = now


def shown(change: Callable[[Sources], None]) -> float:
    """What a clock that began at noon shows after `change`, in seconds after noon."""
    sources = Sources()
    clock = sources.clock()
    change(sources)
    return (clock() - NOON).total_seconds()


def test_a_clock_that_is_set_forward_is_believed() -> None:
    """A step forward shortens lives, which is safe."""

    def change(sources: Sources) -> None:
        sources.wall_offset_seconds = 3600

    assert 3600 == shown(change)


def test_a_clock_that_is_set_back_is_not_believed() -> None:
    """A step back lengthens no life: time goes on from where it was."""

    def change(sources: Sources) -> None:
        sources.wall_offset_seconds = -3600
        sources.true_seconds = 10

    assert 10 == shown(change)


def test_a_night_asleep_counts() -> None:
    """Nine hours of suspend count as nine hours."""

    def change(sources: Sources) -> None:
        sources.true_seconds = 9 * HOUR

    assert 9 * HOUR == shown(change)


def test_the_real_clock_is_the_wall_clock() -> None:
    """Without given sources the clock shows the time of day in UTC."""
    before = datetime.now(NOON.tzinfo)
    now = Clock()()
    assert before <= now <= datetime.now(NOON.tzinfo)
    assert NOON.tzinfo is now.tzinfo
