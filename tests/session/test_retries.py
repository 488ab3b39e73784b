"""After any other failure: when the clock and clients try again."""

import pytest

from mayfly.session import Session
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared.errors import (
    AccessDenied,
    AwsFailed,
    AwsThrottled,
    AwsUnreachable,
    ClockSkewed,
    ConfigChanged,
    ItemNotFound,
    MayflyError,
    OnePasswordGarbled,
    OnePasswordRateLimited,
    OnePasswordUnknown,
    ScreenLocked,
)
from support.engine import (
    AWAY,
    CLIENT,
    CLOCK,
    DUE,
    EIGHT_HOURS,
    HERE,
    HUMAN,
    LOCKED,
    MACHINE,
    NO,
    NOON,
    at,
    failing,
    issued,
)


def test_what_is_set_up_wrong_is_tried_again_on_demand() -> None:
    """60 s, doubling to 30 min, and never by the clock where that may be a prompt."""
    session, waits = issued(), []
    for _ in range(7):
        session = session.failed(AccessDenied("no"), HUMAN, jitter=0.5, now=at(DUE))
        waits.append(session.retry_after_seconds)
    assert ([60, 120, 240, 480, 960, 1800, 1800], False, True) == (
        waits,
        session.may_renew(HUMAN, CLOCK, HERE, at(EIGHT_HOURS + 9999)),
        session.may_renew(HUMAN, CLIENT, HERE, at(EIGHT_HOURS + 9999)),
    )


SET_UP_WRONG = [AccessDenied("no"), ItemNotFound("no item"), OnePasswordUnknown("?"), ClockSkewed("an hour late")]


@pytest.mark.parametrize("error", SET_UP_WRONG)
def test_where_nobody_is_asked_the_clock_retries_after_every_error(error: MayflyError) -> None:
    """A service account is retried after every kind of error: 60 s, doubling to 30 min."""
    session, waits = Session(), []
    for _ in range(7):
        session = session.failed(error, MACHINE, jitter=0.5, now=NOON)
        waits.append(session.retry_after_seconds)
    assert ([60, 120, 240, 480, 960, 1800, 1800], False, True) == (
        waits,
        session.may_renew(MACHINE, CLOCK, LOCKED, at(1799)),
        session.may_renew(MACHINE, CLOCK, LOCKED, at(1800)),
    )


def test_what_nobody_has_recorded_is_tried_again_on_demand() -> None:
    """The clock does not retry after an unknown text of op."""
    session = failing(issued(), OnePasswordUnknown("?"), after=DUE)
    assert (False, False, True) == (
        session.may_renew(HUMAN, CLOCK, HERE, at(DUE + 9999)),
        session.may_renew(HUMAN, CLIENT, HERE, at(DUE + 29)),
        session.may_renew(HUMAN, CLIENT, HERE, at(DUE + 30)),
    )


@pytest.mark.parametrize(("policy", "first"), [(MACHINE, 5), (HUMAN, 30)])
def test_what_may_pass_is_retried_by_itself(policy: RefreshPolicy, first: float) -> None:
    """The delay after a retryable error begins at 5 s without a prompt, at 30 s with one, and grows to 30 min."""
    session, waits = Session(), []
    for _ in range(12):
        session = session.failed(AwsThrottled("slow down"), policy, jitter=0, now=NOON)
        waits.append(session.retry_after_seconds)
    assert ([first * 2**n for n in range(6)], 1800) == (waits[:6], waits[-1])


@pytest.mark.parametrize(
    ("error", "policy", "longest"),
    [
        (AwsUnreachable("no network"), HUMAN, 60),
        (AwsUnreachable("no network"), MACHINE, 60),
        (AwsFailed("500"), MACHINE, 60),
        (AwsFailed("500"), HUMAN, 1800),
    ],
)
def test_an_outage_is_over_within_a_minute(error: MayflyError, policy: RefreshPolicy, longest: float) -> None:
    """An attempt without a prompt is made every minute during an outage, so that its end is noticed."""
    session = issued()
    for _ in range(12):
        session = session.failed(error, policy, jitter=0, now=at(EIGHT_HOURS + 5))
    assert longest == session.retry_after_seconds


@pytest.mark.parametrize(("jitter", "wait"), [(0, 30), (0.5, 22.5), (1, 15)])
def test_what_nobody_waits_for_is_spread(jitter: float, wait: float) -> None:
    """Jitter takes up to half of a retryable error's delay."""
    assert wait == failing(Session(), AwsThrottled("slow down"), after=0, jitter=jitter).retry_after_seconds


@pytest.mark.parametrize(
    ("error", "policy", "left"),
    [(AwsThrottled("slow down"), MACHINE, left) for left in (1200, 600, 100, 10, 2)]
    + [(AwsThrottled("slow down"), HUMAN, left) for left in (1200, 600, 301)]
    + [(AwsUnreachable("no network"), HUMAN, left) for left in (100, 10, 2)],
)
def test_a_retry_always_comes_before_the_end(error: MayflyError, policy: RefreshPolicy, left: float) -> None:
    """However often it failed, the delay is at most half of the remaining life."""
    session = issued()
    for _ in range(12):
        session = session.failed(error, policy, jitter=0, now=at(EIGHT_HOURS - left))
    assert left / 2 == session.retry_after_seconds


def test_the_last_five_minutes_are_not_filled_with_prompts() -> None:
    """An attempt in the last five minutes was the last before the end: the delay goes on doubling."""
    assert 240 == failing(issued(), AwsFailed("500"), times=4, after=EIGHT_HOURS - 290).retry_after_seconds


@pytest.mark.parametrize("error", [OnePasswordGarbled("?"), AwsFailed("500"), AwsThrottled("slow down")])
def test_what_comes_after_a_prompt_is_tried_by_the_clock_while_anything_lives(error: MayflyError) -> None:
    """Each attempt may raise a prompt: after the end only a client's request makes one."""
    session = failing(issued(), error, after=EIGHT_HOURS - 200)
    wanted = [left for left in range(200, -7200, -10) if session.may_renew(HUMAN, CLOCK, HERE, at(EIGHT_HOURS - left))]
    assert (170, 10, True) == (wanted[0], wanted[-1], session.may_renew(HUMAN, CLIENT, HERE, at(EIGHT_HOURS + 1)))


def test_a_network_that_is_down_costs_no_prompt() -> None:
    """An unreachable AWS is found out before `op` runs, so the clock retries also after the end."""
    session = failing(issued(), AwsUnreachable("no network"), after=EIGHT_HOURS + 5)
    assert session.may_renew(HUMAN, CLOCK, HERE, at(EIGHT_HOURS + 65))


def test_after_the_end_a_retry_takes_its_time() -> None:
    """After the end the delay is not cut."""
    assert 60 == failing(issued(), AwsThrottled("slow down"), times=2, after=EIGHT_HOURS + 5).retry_after_seconds


@pytest.mark.parametrize("error", [OnePasswordRateLimited, AwsThrottled])
def test_a_party_that_says_when_is_listened_to(error: type[MayflyError]) -> None:
    """retry_after_seconds is kept to the second, even beyond the end."""
    session = failing(issued(), error("later", retry_after_seconds=4000), times=3, after=DUE)
    assert (4000, at(DUE + 4000)) == (session.retry_after_seconds, session.retry_not_before_at())


def test_a_party_that_is_impatient_is_not_heard() -> None:
    """ "Again in a second", again and again, is answered ever more seldom."""
    session, waits = Session(), []
    for _ in range(6):
        session = session.failed(OnePasswordRateLimited("?", retry_after_seconds=1), MACHINE, jitter=0, now=NOON)
        waits.append(session.retry_after_seconds)
    assert [5, 10, 20, 40, 80, 160] == waits


def test_a_changed_config_is_no_error_once_it_is_taken_over() -> None:
    """ConfigChanged is cleared by the reload; an error of 1Password is not."""
    changed, refused = failing(Session(), ConfigChanged("it is"), after=0), failing(Session(), NO, after=0)
    assert (Session(), refused) == (changed.config_adopted(), refused.config_adopted())


def test_why_nothing_can_be_done() -> None:
    """A client is told that the screen is locked where that is the reason, or else the last failure."""
    refused = failing(Session(), NO, after=0)
    through_lock = refused.refusal(HUMAN, LOCKED)
    assert (ScreenLocked, NO, NO, None) == (
        type(through_lock),
        refused.refusal(HUMAN, HERE),
        refused.refusal(MACHINE, LOCKED),
        Session().refusal(HUMAN, AWAY),
    )
