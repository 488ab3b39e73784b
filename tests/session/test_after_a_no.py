"""After a person has refused a prompt, or has not answered it: when the next one comes."""

import pytest

from mayfly.session import Session
from mayfly.shared.desk import Scene
from mayfly.shared.errors import (
    ApprovalIgnored,
    MayflyError,
    OnePasswordHung,
    OnePasswordLocked,
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
    NO,
    NOON,
    PERSON,
    at,
    credentials,
    failing,
    issued,
)


HUMAN_ERRORS = [
    NO,
    ApprovalIgnored("a minute went by"),
    OnePasswordLocked("the app is locked"),
    OnePasswordHung("no end"),
]


@pytest.mark.parametrize("error", HUMAN_ERRORS)
def test_after_a_no_nothing_happens_by_itself(error: MayflyError) -> None:
    """After a refusal inside the window the clock does not prompt until five minutes before the end, nor after it."""
    refused = failing(issued(), error, after=DUE)
    seconds = [
        second
        for second in range(int(DUE), int(EIGHT_HOURS) + 7200)
        if refused.may_renew(HUMAN, CLOCK, HERE, at(second))
    ]
    assert (EIGHT_HOURS - 300, EIGHT_HOURS - 1) == (seconds[0], seconds[-1])


@pytest.mark.parametrize("error", HUMAN_ERRORS)
def test_the_last_chance_is_one(error: MayflyError) -> None:
    """The prompt five minutes before the end is not repeated."""
    twice = failing(failing(issued(), error, after=DUE), error, after=EIGHT_HOURS - 290)
    assert not any(twice.may_renew(HUMAN, CLOCK, HERE, at(EIGHT_HOURS - left)) for left in range(290))


def test_the_last_chance_is_not_missed_because_clients_have_to_wait() -> None:
    """However long clients must wait after refusals, the clock prompts once more five minutes before the end."""
    pestered = failing(issued(), NO, times=9, after=EIGHT_HOURS - 400)
    now = at(EIGHT_HOURS - 300)
    assert (False, True) == (pestered.may_renew(HUMAN, CLIENT, HERE, now), pestered.may_renew(HUMAN, CLOCK, HERE, now))


def test_the_last_chance_leaves_a_breath() -> None:
    """A refusal seconds before the last five minutes is not followed by another prompt at once."""
    refused = failing(issued(), NO, after=EIGHT_HOURS - 301)
    wanted = [left for left in range(300, 0, -1) if refused.may_renew(HUMAN, CLOCK, HERE, at(EIGHT_HOURS - left))]
    assert 271 == wanted[0]


def test_the_last_chance_is_not_for_the_absent() -> None:
    """No prompt while nobody is present, or the screen is locked."""
    refused = failing(issued(), NO, after=DUE)
    assert [False, False] == [refused.may_renew(HUMAN, CLOCK, scene, at(EIGHT_HOURS - 200)) for scene in (AWAY, LOCKED)]


@pytest.mark.parametrize(
    ("error", "is_asked"),
    [
        (NO, False),
        (ApprovalIgnored("a minute went by"), True),
        (OnePasswordLocked("the app is locked"), True),
        (OnePasswordHung("no end"), True),
    ],
)
def test_what_nobody_saw_is_shown_once_more_at_the_unlock(error: MayflyError, is_asked: bool) -> None:
    """A prompt that nobody saw is shown once more after an unlock; a dismissed one is not."""
    unlocked, later = Scene(unlocked_at=at(DUE + 500)), Scene(unlocked_at=at(DUE + 700))
    once = failing(issued(), error, after=DUE)
    twice = once.failed(error, HUMAN, jitter=0, now=at(DUE + 560), unlocked_at=unlocked.unlocked_at)
    assert [False, is_asked, False, False] == [
        once.may_renew(HUMAN, CLOCK, HERE, at(DUE + 500)),
        once.may_renew(HUMAN, CLOCK, unlocked, at(DUE + 500)),
        twice.may_renew(HUMAN, CLOCK, unlocked, at(DUE + 600)),
        twice.may_renew(HUMAN, CLOCK, later, at(DUE + 700)) and is_asked,
    ]


def test_what_was_ignored_before_the_unlock_is_shown_at_it_however_often() -> None:
    """Only the clock's prompt after an unlock counts as shown again; new credentials reset that."""
    error, unlocked_at = ApprovalIgnored("a minute went by"), at(EIGHT_HOURS + 600)
    ignored = failing(issued(), error, times=3, after=EIGHT_HOURS + 60)
    shown = ignored.failed(error, HUMAN, jitter=0, now=at(EIGHT_HOURS + 660), unlocked_at=unlocked_at)
    renewed = shown.issued(credentials(at(20 * HOUR)), skew_seconds=0, jitter_seconds=0, now=at(9 * HOUR))
    assert (True, [False, True, False, False]) == (
        ignored.may_renew(HUMAN, CLOCK, Scene(unlocked_at=unlocked_at), unlocked_at),
        [session.was_reshown for session in (ignored, shown, renewed, shown.asked_by_person())],
    )


def test_a_no_of_hours_ago_does_not_count() -> None:
    """A person dismissed their own early login: the renewal is prompted for in time all the same."""
    refused = failing(issued(), NO, after=HOUR)
    assert (False, True) == (
        refused.may_renew(HUMAN, CLOCK, HERE, at(DUE - 1)),
        refused.may_renew(HUMAN, CLOCK, HERE, at(DUE)),
    )


def test_a_no_of_minutes_ago_counts_until_an_hour_is_over() -> None:
    """A session whose shared login was dismissed ten minutes before it was due is not prompted for when it is."""
    refused = failing(issued(16 * HOUR), NO, after=16 * HOUR - 1800)
    first = next(
        second for second in range(0, 1800, 10) if refused.may_renew(HUMAN, CLOCK, HERE, at(16 * HOUR - 1800 + second))
    )
    long_ago = failing(issued(16 * HOUR), NO, after=16 * HOUR - 1200 - 3601)
    assert (1500, True) == (first, long_ago.may_renew(HUMAN, CLOCK, HERE, at(16 * HOUR - 1200)))


def test_the_last_chance_of_a_role_is_its_base_s_once() -> None:
    """A base that expired after a refusal is prompted for once, five minutes before the role above it ends."""
    refused = failing(issued(), NO, after=DUE)
    end = at(9 * HOUR)
    twice = failing(refused, NO, after=9 * HOUR - 299)

    def wanted(session: Session) -> list[int]:
        return [
            left
            for left in range(3600, -100, -1)
            if session.may_renew(HUMAN, CLOCK, HERE, at(9 * HOUR - left), needed_until=end)
        ]

    assert (300, 1, 300) == (wanted(refused)[0], wanted(refused)[-1], len(wanted(refused)))
    assert [] == wanted(twice)


def test_clients_after_a_no_wait_twice_as_long_each_time() -> None:
    """30 s, doubling to 30 min."""
    session, waits = issued(), []
    for _ in range(9):
        session = session.failed(NO, HUMAN, jitter=0.9, now=at(EIGHT_HOURS + 1))
        waits.append(session.retry_after_seconds)
    assert [30, 60, 120, 240, 480, 960, 1800, 1800, 1800] == waits


@pytest.mark.parametrize(("after", "is_wanted"), [(0, False), (29.9, False), (30, True), (9999, True)])
def test_clients_wait_out_the_delay(after: float, is_wanted: bool) -> None:
    """A client's attempt is made when the delay is over, and not before."""
    refused = failing(Session(), NO, after=0)
    assert is_wanted == refused.may_renew(HUMAN, CLIENT, HERE, at(after))


def test_a_person_tries_at_once_and_starts_anew() -> None:
    """`mayfly login` tries at once, and earlier failures no longer count."""
    refused = failing(issued().forgot(), NO, times=5, after=0)
    anew = refused.asked_by_person()
    assert (True, 30, False, None) == (
        refused.may_renew(HUMAN, PERSON, HERE, at(1)),
        failing(anew, NO, after=1).retry_after_seconds,
        anew.forgotten,
        anew.retry_not_before_at(),
    )


def test_success_starts_anew() -> None:
    """New credentials reset the failures, but not the use."""
    again = failing(issued(), NO, times=3, after=DUE).issued(
        credentials(at(2 * EIGHT_HOURS)), skew_seconds=0, jitter_seconds=0, now=at(DUE + 60)
    )
    assert (0, None, None, NOON) == (
        again.consecutive_failures,
        again.last_error,
        again.failed_at,
        again.last_fetched_at,
    )
