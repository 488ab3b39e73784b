"""What is reported of a session, in plain values."""

import json

from datetime import datetime

import attrs
import pytest

from mayfly.daemon.status import ProfileStatus, Status, as_json
from mayfly.session import Session
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared.errors import ApprovalDismissed, AwsThrottled, AwsUnreachable, MayflyError, OnePasswordUnknown
from support.engine import HOUR, HUMAN, MACHINE, NOON, at, issued


NO = ApprovalDismissed("somebody said no")
HINTLESS = AwsThrottled("slow down")
UNKNOWN = OnePasswordUnknown("?")
AWAY = AwsUnreachable("no network")
WAIT = AwsThrottled("slow down", retry_after_seconds=601)


def row(
    session: Session, policy: RefreshPolicy = HUMAN, *, in_flight: bool = False, second: float = 0
) -> ProfileStatus:
    return ProfileStatus.of("nsrc", session, policy, in_flight=in_flight, now=at(second))


def test_a_fresh_session_tells_its_times_and_no_secret() -> None:
    """Of the key the last four characters, of the secrets nothing; every time counted from now."""
    shown = row(issued(), second=60)
    assert ("fresh", "…0001", at(8 * HOUR), 8 * 3600 - 60, at(8 * HOUR - 1200), True, NOON) == (
        shown.phase,
        shown.access_key_id,
        shown.expiration,
        shown.expires_in_seconds,
        shown.due_at,
        shown.in_use,
        shown.last_fetched_at,
    )
    assert "made-up" not in repr(shown)


def test_an_empty_session_has_no_times() -> None:
    """What is not there ends never, and is due never."""
    shown = row(Session())
    assert ("empty", None, None, 0, None, None, None) == (
        shown.phase,
        shown.access_key_id,
        shown.expiration,
        shown.expires_in_seconds,
        shown.due_at,
        shown.retry_not_before_at,
        shown.last_error,
    )


def test_what_went_wrong_is_told_in_its_words() -> None:
    """Code, message and hint of the last failure, and when a client may try again."""
    shown = row(issued().failed(NO, HUMAN, jitter=0, now=NOON))
    expected = {
        "code": "ApprovalDismissed",
        "message": NO.message,
        "hint": "run 'mayfly login nsrc' when you are ready",
    }
    assert (expected, at(30)) == (shown.last_error, shown.retry_not_before_at)


def test_an_expired_session_has_no_seconds_left() -> None:
    """Not less than none."""
    assert 0 == row(issued(), second=9 * HOUR).expires_in_seconds


def refused(error: MayflyError, policy: RefreshPolicy = HUMAN, *, used: bool = True, second: float = 0) -> Session:
    return issued(used=used).failed(error, policy, jitter=0, now=at(second))


ON_DEMAND = attrs.evolve(HUMAN, mode="on-demand")
ALWAYS = attrs.evolve(HUMAN, mode="always")
DUE = 8 * HOUR - 600


@pytest.mark.parametrize(
    ("session", "policy", "in_flight", "second", "words"),
    [
        (Session(), HUMAN, True, 0, "1Password and AWS"),
        (Session(), MACHINE, True, 0, "waiting for AWS"),
        (refused(NO), HUMAN, False, 0, NO.hint_for("nsrc")),
        (refused(NO, second=DUE), HUMAN, False, DUE, NO.hint_for("nsrc")),
        (refused(HINTLESS, second=DUE), HUMAN, False, DUE, "tried again by itself in 30 s"),
        (refused(HINTLESS, second=DUE), HUMAN, False, DUE + 30, "tried again as soon as somebody is there"),
        (refused(HINTLESS, second=DUE), HUMAN, False, 8 * HOUR + 1, "tried again when a client asks"),
        (refused(HINTLESS, second=DUE, used=False), HUMAN, False, DUE, "tried again when a client asks"),
        (refused(HINTLESS, second=DUE), ON_DEMAND, False, DUE, "tried again when a client asks"),
        (refused(AWAY, second=DUE), HUMAN, False, 8 * HOUR + 1, "tried again as soon as somebody is there"),
        (refused(UNKNOWN, second=DUE), HUMAN, False, DUE, "tried again when a client asks"),
        (refused(UNKNOWN, MACHINE, second=DUE), MACHINE, False, DUE + 1, "tried again by itself in 59 s"),
        (refused(WAIT, MACHINE, second=DUE), MACHINE, False, DUE + 1, "tried again by itself in 10 min"),
        (refused(HINTLESS, MACHINE, second=DUE), MACHINE, False, DUE + 30, "tried again by itself at once"),
        (Session(), HUMAN, False, 0, "mayfly login"),
        (Session(), ALWAYS, False, 0, "somebody is there"),
        (Session(), MACHINE, False, 0, "at once"),
        (Session().forgot(), MACHINE, False, 0, "mayfly login"),
        (issued(), HUMAN, False, 0, "renewed by itself"),
        (issued(used=False), HUMAN, False, 0, "when a client asks"),
        (issued(used=False), MACHINE, False, 0, "renewed by itself"),
        (issued(), ON_DEMAND, False, 0, "when a client asks"),
        (issued(), HUMAN, False, DUE, "somebody is there"),
        (issued(), HUMAN, False, 9 * HOUR, "somebody is there"),
        (issued(used=False), HUMAN, False, DUE, "when a client asks"),
        (issued(used=False), HUMAN, False, 9 * HOUR, "when a client asks"),
        (issued(), ON_DEMAND, False, 9 * HOUR, "when a client asks"),
        (issued(), MACHINE, False, DUE, "at once"),
    ],
)
def test_the_next_step(session: Session, policy: RefreshPolicy, in_flight: bool, second: float, words: str) -> None:
    """What happens next, or what a person can do about it."""
    assert words in row(session, policy, in_flight=in_flight, second=second).next_step


@pytest.mark.parametrize(
    ("session", "policy", "second", "renewal"),
    [
        (issued(), HUMAN, 0, (at(8 * HOUR - 1200), "touch")),
        (issued(), MACHINE, 0, (at(8 * HOUR - 4500), "nothing")),
        (issued(used=False), HUMAN, 0, (None, "touch")),
        (issued(), ON_DEMAND, 0, (None, "touch")),
        (issued(), HUMAN, DUE, (None, "touch")),
        (refused(NO, second=DUE), HUMAN, DUE, (at(8 * HOUR - 300), "touch")),
        (refused(HINTLESS, second=DUE), HUMAN, DUE, (at(DUE + 30), "touch")),
        (refused(UNKNOWN, second=DUE), HUMAN, DUE, (None, "touch")),
        (refused(UNKNOWN, MACHINE, second=DUE), MACHINE, DUE, (at(DUE + 60), "nothing")),
    ],
)
def test_the_next_renewal(
    session: Session, policy: RefreshPolicy, second: float, renewal: tuple[datetime | None, str]
) -> None:
    """The instant of the clock's next attempt, and what it takes; none where a person or a client is waited for."""
    shown = row(session, policy, second=second)
    assert renewal == (shown.renewal_at, shown.renewal_takes)


def test_what_stands_on_a_refused_login_says_so() -> None:
    """A role above a session that has ended waits for what that one waits for."""
    ended = refused(NO, second=DUE)
    shown = ProfileStatus.of("admin", issued(), HUMAN, in_flight=False, now=at(8 * HOUR), ground=ended)
    assert (NO.hint_for("admin"), None) == (shown.next_step, shown.last_error)


def test_a_status_is_plain_json() -> None:
    """Instants as texts that every SDK could read, and everything else as it is."""
    status = Status(
        **{field.name: None for field in attrs.fields(Status)}
        | {"version": "1", "started_at": NOON, "observed_at": at(1), "profiles": [row(issued())]}
    )
    shown = json.loads(json.dumps(as_json(status)))
    assert ("2026-03-02T12:00:00Z", "2026-03-02T12:00:01Z", "2026-03-02T20:00:00Z") == (
        shown["started_at"],
        shown["observed_at"],
        shown["profiles"][0]["expiration"],
    )
