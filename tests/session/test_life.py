"""The life of credentials: window, phase, end, clock skew, use."""

import pytest

from mayfly.session import Phase, Session
from mayfly.session.refresh_policy import RefreshPolicy
from support.engine import (
    EIGHT_HOURS,
    HOUR,
    HUMAN,
    MACHINE,
    NOON,
    at,
    credentials,
    issued,
)


@pytest.mark.parametrize(
    ("policy", "life", "window"),
    [
        (HUMAN, EIGHT_HOURS, 20 * 60),
        (HUMAN, 45 * 60, 20 * 60),
        (HUMAN, 45 * 60 - 3, 20 * 60),
        (HUMAN, 900, 300),
        (MACHINE, EIGHT_HOURS, 75 * 60),
        (MACHINE, 2 * HOUR, 40 * 60),
        (MACHINE, HOUR, 20 * 60),
        (MACHINE, 45 * 60 - 3, 20 * 60),
        (MACHINE, 900, 300),
    ],
)
def test_window(policy: RefreshPolicy, life: float, window: float) -> None:
    """New credentials are wanted 20 minutes (75, where nobody is asked) or a third of the life before the end.

    Of a life of 45 minutes 20 are kept, or there would be no time to answer before clients have less than 15.
    """
    assert window == issued(life).window_seconds(policy)


@pytest.mark.parametrize(("jitter", "earlier"), [(0, 0), (17.5, 17.5), (60, 60), (3600, 60)])
def test_jitter_only_makes_it_earlier(jitter: float, earlier: float) -> None:
    """Jitter widens the window by a minute at most."""
    assert 75 * 60 + earlier == issued(EIGHT_HOURS, jitter_seconds=jitter).window_seconds(MACHINE)


def test_jitter_never_eats_a_short_life() -> None:
    """Credentials of a minute are not due when they come, with any jitter."""
    assert Phase.FRESH is issued(60, jitter_seconds=60).phase(MACHINE, NOON)


@pytest.mark.parametrize(
    ("second", "phase"),
    [
        (0, Phase.FRESH),
        (EIGHT_HOURS - 1201, Phase.FRESH),
        (EIGHT_HOURS - 1200, Phase.DUE),
        (EIGHT_HOURS - 0.001, Phase.DUE),
        (EIGHT_HOURS, Phase.EXPIRED),
        (30 * EIGHT_HOURS, Phase.EXPIRED),
    ],
)
def test_phase(second: float, phase: Phase) -> None:
    """FRESH before the window, DUE in it, EXPIRED from the very end on."""
    assert phase is issued().phase(HUMAN, at(second))


def test_a_new_session_is_empty() -> None:
    """Without credentials there is no life, no window, nothing to hand out."""
    empty = Session()
    assert (Phase.EMPTY, 0, 0, None) == (
        empty.phase(HUMAN, NOON),
        empty.left_seconds(NOON),
        empty.life_seconds(),
        empty.usable(NOON),
    )


@pytest.mark.parametrize(("second", "is_usable"), [(0, True), (99.999, True), (100, False), (101, False)])
def test_an_expired_session_is_never_served(second: float, is_usable: bool) -> None:
    """Law 4: what is usable ends with the credentials."""
    assert is_usable == (issued(100).usable(at(second)) is not None)


@pytest.mark.parametrize("skew", [-3600, -30, 0, 30, 3600])
def test_skew_is_added_to_the_clock_that_judges(skew: float) -> None:
    """However wrong our clock is, the credentials have the life that AWS gave, and end when AWS ends them."""
    session = Session().issued(credentials(at(EIGHT_HOURS + skew)), skew_seconds=skew, jitter_seconds=0, now=NOON)
    assert (EIGHT_HOURS, 1, Phase.EXPIRED) == (
        session.life_seconds(),
        session.left_seconds(at(EIGHT_HOURS - 1)),
        session.phase(HUMAN, at(EIGHT_HOURS)),
    )


def test_in_use_means_fetched_in_this_life() -> None:
    """A fetch counts for the credentials that were handed out, not for those after them."""
    used = issued().fetched(at(100))
    renewed = used.issued(credentials(at(2 * EIGHT_HOURS)), skew_seconds=0, jitter_seconds=0, now=at(200))
    assert (True, False, True) == (used.is_in_use(), renewed.is_in_use(), renewed.fetched(at(201)).is_in_use())
