"""Locks, nights and days: what `on_lock`, `top_up` and a shortest life decide, in tables."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
import pytest

from mayfly.session import Session, screen_lock
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.session.screen_lock import is_dropped, is_withheld
from mayfly.session.trigger import Trigger
from mayfly.shared.desk import Presence, Scene
from mayfly.shared.errors import MayflyError, ScreenLocked
from mayfly.shared.presence_history import NIGHT_SECONDS, PresenceHistory
from support.engine import AWAY, CLIENT, CLOCK, HERE, HOUR, HUMAN, LOCKED, MACHINE, NO, NOON, PERSON, at, issued


FORGET = attrs.evolve(HUMAN, on_lock="forget")
FORGET_MACHINE = attrs.evolve(MACHINE, on_lock="forget")

# The lock


@pytest.mark.parametrize(
    ("on_lock", "scene", "withheld", "dropped"),
    [
        ("keep", HERE, False, False),
        ("keep", AWAY, False, False),
        ("keep", LOCKED, False, False),
        ("withhold", HERE, False, False),
        ("withhold", AWAY, False, False),
        ("withhold", LOCKED, True, False),
        ("forget", HERE, False, False),
        ("forget", AWAY, False, False),
        ("forget", LOCKED, True, True),
        ("forget", Scene(), False, False),
        ("withhold", Scene(), False, False),
    ],
)
def test_what_a_lock_takes_away(on_lock: str, scene: Scene, withheld: bool, dropped: bool) -> None:
    """Only a screen that is known to be locked takes anything away."""
    assert (withheld, dropped) == (is_withheld(on_lock, scene), is_dropped(on_lock, scene))


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("policy", [FORGET, FORGET_MACHINE])
@pytest.mark.parametrize("through_lock", [False, True])
def test_behind_a_lock_nothing_comes_that_would_be_dropped(
    trigger: Trigger, policy: RefreshPolicy, through_lock: bool
) -> None:
    """Not for anybody, not with `--through-lock`, and not where nobody is asked: the reason is the lock."""
    empty = Session(last_fetched_at=NOON)
    assert not empty.may_renew(policy, trigger, LOCKED, NOON, through_lock=through_lock)
    assert isinstance(empty.refusal(policy, LOCKED), ScreenLocked)


@pytest.mark.parametrize("trigger", Trigger)
def test_what_is_withheld_is_renewed_as_ever(trigger: Trigger) -> None:
    """`withhold` changes who is given credentials, and not when they are renewed."""
    withhold = attrs.evolve(MACHINE, on_lock="withhold")
    due = at(7 * HOUR)
    assert (
        issued().may_renew(MACHINE, trigger, LOCKED, due) is issued().may_renew(withhold, trigger, LOCKED, due) is True
    )


def test_what_the_lock_drops_comes_back_when_somebody_asks() -> None:
    """The unlock alone raises no prompt; a client does. Without a human the clock gets it back where it always does."""
    dropped = issued().locked_away()
    unlocked = Scene(unlocked_at=at(10))
    assert (None, False, True, True) == (
        dropped.usable(at(1)),
        dropped.may_renew(FORGET, CLOCK, unlocked, at(10)),
        dropped.may_renew(FORGET, CLIENT, unlocked, at(10)),
        dropped.may_renew(FORGET_MACHINE, CLOCK, unlocked, at(10)),
    )


def test_a_lock_forgives_nothing() -> None:
    """After a lock a client waits as long as it would have without, and what was forgotten stays forgotten."""
    refused = issued().failed(NO, HUMAN, jitter=0, now=at(1)).locked_away()
    assert not refused.may_renew(FORGET, CLIENT, HERE, at(2))
    assert NO is refused.refusal(FORGET, HERE)
    assert not issued().forgot().locked_away().may_renew(FORGET_MACHINE, CLOCK, HERE, at(2))


@pytest.mark.parametrize(("policy", "seconds"), [(HUMAN, 30), (FORGET, screen_lock.LOOK_SECONDS)])
def test_a_lock_is_looked_for_where_it_drops_something(policy: RefreshPolicy, seconds: float) -> None:
    """A session that must not outlive a lock has the desk asked every few seconds; an empty one does not."""
    is_looked_for = policy.on_lock == "forget"
    assert (seconds, is_looked_for) == (
        issued().look_again_seconds(policy, NOON),
        issued().needs_presence(policy, NOON),
    )
    assert (30, False) == (Session().look_again_seconds(policy, NOON), Session().needs_presence(policy, NOON))


def test_what_the_clock_gets_back_waits_for_the_unlock() -> None:
    """So the unlock is looked for, also where nobody is asked."""
    assert issued().locked_away().needs_presence(FORGET_MACHINE, NOON)


# The day

TOP_UP = attrs.evolve(HUMAN, top_up=True)
MORNING = at(20 * HOUR)  # eight o'clock
DAY = Scene(unlocked_at=MORNING, day_began_at=MORNING)
DAY_LONG = 24 * HOUR  # ends at noon
LONGEST = 36 * HOUR  # ends at midnight


@pytest.mark.parametrize(
    ("session", "policy", "scene", "now", "wanted"),
    [
        (issued(DAY_LONG), TOP_UP, DAY, MORNING, True),
        (issued(DAY_LONG), HUMAN, DAY, MORNING, False),
        (issued(LONGEST), TOP_UP, DAY, MORNING, False),
        (issued(LONGEST - 4 * HOUR - 1), TOP_UP, DAY, MORNING, True),
        (issued(LONGEST - 4 * HOUR), TOP_UP, DAY, MORNING, False),
        (issued(DAY_LONG), TOP_UP, DAY, at(21 * HOUR), True),
        (issued(DAY_LONG), TOP_UP, Scene(unlocked_at=MORNING), MORNING, False),
        (issued(DAY_LONG), TOP_UP, attrs.evolve(DAY, presence=Presence.LOCKED), MORNING, False),
        (issued(DAY_LONG), TOP_UP, attrs.evolve(DAY, presence=Presence.AWAY), MORNING, False),
        (issued(DAY_LONG, used=False), TOP_UP, DAY, MORNING, False),
        (issued(DAY_LONG).forgot(), TOP_UP, DAY, MORNING, False),
        (Session(), TOP_UP, DAY, MORNING, False),
        (issued(8 * HOUR), attrs.evolve(TOP_UP, mode="on-demand"), DAY, MORNING, True),
        (issued(8 * HOUR), attrs.evolve(HUMAN, mode="on-demand"), DAY, MORNING, False),
        (issued(DAY_LONG).failed(NO, HUMAN, jitter=0, now=at(HOUR)), TOP_UP, DAY, MORNING, True),
        (issued(DAY_LONG).failed(NO, HUMAN, jitter=0, now=MORNING), TOP_UP, DAY, at(21 * HOUR), False),
        (issued(DAY_LONG), TOP_UP, Scene(day_began_at=at(HOUR - 1)), at(HOUR), False),
        (issued(20 * HOUR), attrs.evolve(MACHINE, top_up=True), DAY, at(18 * HOUR), True),
    ],
)
def test_who_is_topped_up(session: Session, policy: RefreshPolicy, scene: Scene, now: datetime, wanted: bool) -> None:
    """A session in use that would end in the day's twelve hours, once, in front of somebody; not one that is new."""
    assert wanted == session.may_renew(policy, CLOCK, scene, now)


def test_after_a_top_up_the_day_has_had_its_own() -> None:
    """New credentials are younger than the day, so nothing more is wanted before they are due."""
    renewed = issued(DAY_LONG).issued(
        attrs.evolve(issued().credentials, expiration=MORNING + timedelta(hours=8)),
        skew_seconds=0,
        jitter_seconds=0,
        now=MORNING + timedelta(seconds=5),
    )
    used = renewed.fetched(MORNING + timedelta(minutes=1))
    assert not used.may_renew(TOP_UP, CLOCK, DAY, MORNING + timedelta(hours=7))


@pytest.mark.parametrize("session", [Session(), issued(), issued(used=False)])
def test_for_a_top_up_somebody_is_always_looked_for(session: Session) -> None:
    """Or a look after hours without one would be taken for the end of a night."""
    assert session.needs_presence(TOP_UP, NOON)


P, A, L, U = Presence.PRESENT, Presence.AWAY, Presence.LOCKED, None
LATE = 10 * HOUR  # ten in the evening


@pytest.mark.parametrize(
    ("looks", "began"),
    [
        ([(0, P)], None),
        ([(0, L), (9 * HOUR, P)], None),
        ([(0, P), (30, L), (9 * HOUR, P)], 9 * HOUR),
        ([(0, P), (30, A), (9 * HOUR, P)], 9 * HOUR),
        ([(0, P), (3 * HOUR, A), (6 * HOUR, P)], 6 * HOUR),
        ([(0, P), (9 * HOUR, P)], 9 * HOUR),
        ([(0, P), (9 * HOUR, L), (9 * HOUR + 5, P)], 9 * HOUR + 5),
        ([(0, P), (30, L), (NIGHT_SECONDS, P)], NIGHT_SECONDS),
        ([(0, P), (30, L), (NIGHT_SECONDS - 1, P)], None),
        ([(LATE, P), (LATE + 1.9 * HOUR, L), (LATE + 2.1 * HOUR, P)], None),
        ([(0, P), (30, L), (9 * HOUR, P), (9.1 * HOUR, L), (10 * HOUR, P)], 9 * HOUR),
        ([(0, P), (30, L), (5 * HOUR, U), (9 * HOUR, U), (10 * HOUR, P)], 10 * HOUR),
        ([(0, U), (HOUR, U), (4.5 * HOUR, U)], None),
    ],
    ids=lambda value: None,
)
def test_when_a_day_begins(looks: list[tuple[float, Presence | None]], began: float | None) -> None:
    """When somebody is seen after a night without, asleep or locked; not at midnight, and not after a meeting."""
    history, scene = PresenceHistory(), Scene()
    for second, presence in looks:
        scene = history.scene(presence, at(second))
    assert (None if began is None else at(began)) == scene.day_began_at


# A shortest life


@pytest.mark.parametrize(
    ("second", "seconds", "lasts"),
    [
        (0, 8 * HOUR, True),
        (60, 8 * HOUR, True),
        (61, 8 * HOUR, False),
        (4 * HOUR, 4 * HOUR, True),
        (5 * HOUR, 4 * HOUR, False),
        (8 * HOUR - 1, 0, True),
        (8 * HOUR, 0, False),
        (8 * HOUR, 30, False),
    ],
)
def test_how_long_a_session_lasts(second: float, seconds: float, lasts: bool) -> None:
    """To a minute; what has ended lasts no time at all."""
    assert lasts == issued().lasts(seconds, at(second))


REFUSED = issued().failed(NO, HUMAN, jitter=0, now=at(4 * HOUR))


@pytest.mark.parametrize(
    ("session", "trigger", "scene", "min_life", "wanted"),
    [
        (issued(), CLIENT, HERE, 3 * HOUR, False),
        (issued(), CLIENT, HERE, 5 * HOUR, True),
        (issued(), CLIENT, AWAY, 5 * HOUR, True),
        (issued(), CLIENT, LOCKED, 5 * HOUR, False),
        (REFUSED, CLIENT, HERE, 5 * HOUR, False),
        (REFUSED, PERSON, HERE, 5 * HOUR, True),
        (Session(), CLIENT, HERE, 5 * HOUR, True),
    ],
)
def test_who_asks_for_a_longer_life(
    session: Session, trigger: Trigger, scene: Scene, min_life: float, wanted: bool
) -> None:
    """A client that needs hours gets new credentials early, under the rules of a client that has none."""
    assert wanted == session.may_renew(HUMAN, trigger, scene, at(4 * HOUR), min_life_seconds=min_life)


@pytest.mark.parametrize(("error", "scene"), [(NO, HERE), (ScreenLocked(), LOCKED)])
def test_the_refusal_of_a_longer_life_has_a_reason(error: MayflyError, scene: Scene) -> None:
    """The last failure, or the lock."""
    refusal = REFUSED.refusal(HUMAN, scene)
    assert refusal is not None
    assert error.code == refusal.code
