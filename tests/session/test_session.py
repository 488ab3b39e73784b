"""Whether a session is renewed now: whom to disturb, which sessions come along, and when to look again."""

import attrs
import pytest

from mayfly.session import Phase, Session, first_usable_step
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.session.trigger import Trigger
from mayfly.shared.desk import Presence, Scene
from mayfly.shared.errors import (
    AwsFailed,
    AwsUnreachable,
    ItemNotFound,
    MayflyError,
    OnePasswordHung,
)
from support.engine import (
    AWAY,
    CLIENT,
    CLOCK,
    DUE,
    EIGHT_HOURS,
    HERE,
    HOUR,
    HUMAN,
    LOCKED,
    MACHINE,
    NO,
    NOON,
    PERSON,
    at,
    failing,
    issued,
)


# Whom to disturb


def phased(phase: Phase, *, used: bool) -> tuple[Session, float]:
    """A session, and a second at which it is in `phase`."""
    seconds = {Phase.EMPTY: 0.0, Phase.FRESH: 0.0, Phase.DUE: EIGHT_HOURS - 600, Phase.EXPIRED: EIGHT_HOURS + 1}
    return (Session() if phase is Phase.EMPTY else issued(used=used)), seconds[phase]


# Who asks, in which mode of which kind, in front of whom, in which phases of a session in use gets new credentials.
ALL, NONE = "EMPTY FRESH DUE EXPIRED", ""
WHO_MAY = [
    (PERSON, mode, asks, scene, NONE if asks and scene is LOCKED else ALL)
    for mode in ("always", "while-used", "on-demand")
    for asks in (True, False)
    for scene in (HERE, AWAY, LOCKED)
] + [
    (CLIENT, "while-used", True, HERE, "EMPTY DUE EXPIRED"),
    (CLIENT, "while-used", True, AWAY, "EMPTY EXPIRED"),
    (CLIENT, "while-used", True, LOCKED, NONE),
    (CLIENT, "on-demand", True, HERE, "EMPTY DUE EXPIRED"),
    (CLIENT, "on-demand", True, LOCKED, NONE),
    (CLIENT, "always", False, HERE, "EMPTY DUE EXPIRED"),
    (CLIENT, "always", False, AWAY, "EMPTY DUE EXPIRED"),
    (CLIENT, "always", False, LOCKED, "EMPTY DUE EXPIRED"),
    (CLIENT, "on-demand", False, LOCKED, "EMPTY DUE EXPIRED"),
    (CLOCK, "always", True, HERE, "EMPTY DUE EXPIRED"),
    (CLOCK, "always", True, AWAY, NONE),
    (CLOCK, "always", True, LOCKED, NONE),
    (CLOCK, "while-used", True, HERE, "DUE EXPIRED"),
    (CLOCK, "while-used", True, AWAY, NONE),
    (CLOCK, "while-used", True, LOCKED, NONE),
    (CLOCK, "while-used", False, LOCKED, "DUE EXPIRED"),
    (CLOCK, "on-demand", True, HERE, NONE),
    (CLOCK, "on-demand", False, HERE, NONE),
    (CLOCK, "always", False, HERE, "EMPTY DUE EXPIRED"),
    (CLOCK, "always", False, AWAY, "EMPTY DUE EXPIRED"),
    (CLOCK, "always", False, LOCKED, "EMPTY DUE EXPIRED"),
]


@pytest.mark.parametrize(("trigger", "mode", "asks_human", "scene", "phases"), WHO_MAY)
def test_whom_to_disturb(trigger: Trigger, mode: str, asks_human: bool, scene: Scene, phases: str) -> None:
    """A person may at any time, a client when something is due, the clock only what is kept; nobody through a lock."""
    policy = RefreshPolicy(mode=mode, asks_human=asks_human)
    wanted = []
    for phase in Phase:
        session, second = phased(phase, used=True)
        if session.may_renew(policy, trigger, scene, at(second)):
            wanted.append(phase.name)
    assert phases == " ".join(wanted)


@pytest.mark.parametrize("trigger", Trigger)
def test_through_a_lock_only_a_person_may_be_asked(trigger: Trigger) -> None:
    """`--through-lock` counts for a person, and never for a client or the clock."""
    wanted = issued().may_renew(HUMAN, trigger, LOCKED, at(EIGHT_HOURS), through_lock=True)
    assert (trigger is PERSON) == wanted


@pytest.mark.parametrize("phase", Phase)
def test_what_nobody_used_is_not_renewed_by_itself(phase: Phase) -> None:
    """In mode `while-used` a session that nobody fetched is not renewed."""
    session, second = phased(phase, used=False)
    assert not session.may_renew(HUMAN, CLOCK, HERE, at(second))


def test_what_was_due_behind_a_lock_is_asked_for_at_the_unlock() -> None:
    """A session in use was due behind a lock: the clock prompts at the first look after the unlock."""
    morning = at(20 * HOUR)
    assert (False, True) == (
        issued().may_renew(HUMAN, CLOCK, LOCKED, morning),
        issued().may_renew(HUMAN, CLOCK, Scene(unlocked_at=morning), morning),
    )


def test_forgotten_comes_back_only_when_asked_for() -> None:
    """The clock does not renew a forgotten session, even in mode `always`, until a client fetches it."""
    forgotten = issued().forgot()
    assert (False, True, True) == (
        forgotten.may_renew(MACHINE, CLOCK, HERE, at(1)),
        forgotten.may_renew(MACHINE, CLIENT, HERE, at(1)),
        forgotten.fetched(at(1)).may_renew(MACHINE, CLOCK, HERE, at(1)),
    )


@pytest.mark.parametrize(
    ("error", "second", "heeds"),
    [
        (None, 0, False),
        (None, EIGHT_HOURS - 600, True),
        (NO, EIGHT_HOURS - 600, True),
        (OnePasswordHung("no end"), EIGHT_HOURS - 600, True),
        (AwsFailed("500"), EIGHT_HOURS - 600, True),
        (AwsFailed("500"), EIGHT_HOURS + 600, False),
        (AwsUnreachable("no network"), EIGHT_HOURS + 600, True),
        (ItemNotFound("no item"), EIGHT_HOURS - 600, False),
    ],
)
def test_the_desk_is_asked_only_when_it_matters(error: MayflyError | None, second: float, heeds: bool) -> None:
    """Presence matters where the clock may prompt now, or when somebody returns."""
    session = issued().failed(error, HUMAN, jitter=0, now=NOON) if error else issued()
    assert heeds == session.needs_presence(HUMAN, at(second))


@pytest.mark.parametrize("session", [Session(), issued(used=False)])
def test_what_is_not_kept_does_not_look_who_is_there(session: Session) -> None:
    """An idle profile costs no look at the desk."""
    assert not session.needs_presence(HUMAN, at(EIGHT_HOURS + 1))


# Company


@pytest.mark.parametrize(
    ("life", "second", "comes"),
    [
        (EIGHT_HOURS, DUE - 3601, False),
        (EIGHT_HOURS, DUE - 3600, True),
        (EIGHT_HOURS, DUE, True),
        (EIGHT_HOURS, EIGHT_HOURS + 60, True),
        (HOUR, 299, False),
        (HOUR, 300, True),
        (1000, 99, False),
        (1000, 100, True),
    ],
)
def test_who_comes_along(life: float, second: float, comes: bool) -> None:
    """A session joins if it is in use, due within the hour, and not new."""
    assert comes == issued(life).may_join_login(HUMAN, at(second))


@pytest.mark.parametrize(
    "session", [Session(), issued(used=False), issued().forgot(), failing(issued(), NO, after=DUE)]
)
def test_who_stays_at_home(session: Session) -> None:
    """A session does not join if it is not in use, or if its delay is not over."""
    assert not session.may_join_login(HUMAN, at(DUE))


# Alarm


def test_the_end_is_told_twice() -> None:
    """Credentials in use are announced 15 and 5 minutes before the end, each once."""
    session, told = issued(), []
    for left in range(1200, -60, -10):
        mark = session.warning_seconds(HUMAN, at(EIGHT_HOURS - left))
        if mark is not None:
            told.append((left, mark))
            session = session.warned(mark)
    assert [(900, 900), (300, 300)] == told


def test_a_slept_over_alarm_is_one() -> None:
    """After a sleep until three minutes before the end there is one warning."""
    assert 300 == issued().warning_seconds(HUMAN, at(EIGHT_HOURS - 180))


@pytest.mark.parametrize(
    ("session", "mode", "is_told"),
    [
        (issued(), "on-demand", False),
        (failing(issued(), NO, after=DUE), "on-demand", True),
        (issued(used=False), "while-used", False),
    ],
)
def test_the_end_is_announced_if_more_is_expected(session: Session, mode: str, is_told: bool) -> None:
    """No warning for credentials that are unused, or renewed on demand, unless a renewal failed."""
    policy = attrs.evolve(HUMAN, mode=mode)
    assert is_told == (session.warning_seconds(policy, at(EIGHT_HOURS - 600)) is not None)


# Looking again


@pytest.mark.parametrize(
    ("session", "second", "seconds"),
    [
        (Session(), 0, 30),
        (issued(), 0, 30),
        (issued(), DUE - 7, 7),
        (issued(), DUE, 30),
        (issued(), EIGHT_HOURS - 303, 3),
        (issued(), EIGHT_HOURS - 2.5, 2.5),
        (issued(), EIGHT_HOURS + 10, 30),
        (failing(issued(), NO, times=2, after=EIGHT_HOURS + 1), EIGHT_HOURS + 57, 4),
        (failing(issued(), NO, times=2, after=EIGHT_HOURS + 1), EIGHT_HOURS + 21, 10),
        (failing(issued(), NO, after=1000), 4591, 9),
    ],
)
def test_look_again(session: Session, second: float, seconds: float) -> None:
    """The next look is at the next boundary, or in half a minute."""
    assert seconds == pytest.approx(session.look_again_seconds(HUMAN, at(second)))


# Codes


@pytest.mark.parametrize(("last", "now", "first"), [(None, 7, 7), (5, 7, 7), (6, 7, 7), (7, 7, 8), (9, 7, 10)])
def test_a_code_goes_out_once(last: int | None, now: int, first: int) -> None:
    """The next code is of a later step than the last one sent, even where the clock was set back."""
    assert first == first_usable_step(last, now)


def test_presence_has_three_words() -> None:
    """Presence has three values; unknown counts as PRESENT."""
    assert Scene().presence is Presence.PRESENT
