"""AWS no longer accepts a session: when it is asked about that, and what follows."""

from datetime import timedelta

import pytest

from mayfly.session import Session
from mayfly.session.refresh_policy import RefreshPolicy
from support.engine import (
    CLIENT,
    CLOCK,
    DUE,
    EIGHT_HOURS,
    HERE,
    HOUR,
    HUMAN,
    LOCKED,
    MACHINE,
    NOON,
    OVER,
    at,
    credentials,
    issued,
)


def test_rejected_credentials_are_gone_and_wanted() -> None:
    """Rejected credentials are dropped at once, and wanted again."""
    rejected = issued().rejected(OVER, HUMAN, at(HOUR))
    assert (None, True, True, False) == (
        rejected.usable(at(HOUR)),
        rejected.may_renew(HUMAN, CLIENT, HERE, at(HOUR)),
        rejected.may_renew(HUMAN, CLOCK, HERE, at(HOUR)),
        rejected.may_renew(HUMAN, CLOCK, LOCKED, at(HOUR)),
    )


@pytest.mark.parametrize(("policy", "waits"), [(HUMAN, [300, 600, 1200, 1800, 1800]), (MACHINE, [5, 10, 20, 40, 80])])
def test_who_is_rejected_again_and_again_waits(policy: RefreshPolicy, waits: list[float]) -> None:
    """The first session rejected soon after its issue is replaced at once; from the second on there is a delay."""
    session, now, found = issued().rejected(OVER, policy, NOON), NOON, []
    assert session.may_renew(policy, CLIENT, HERE, NOON)
    session = session.issued(credentials(at(EIGHT_HOURS)), skew_seconds=0, jitter_seconds=0, now=now)
    for _ in waits:
        session = session.rejected(OVER, policy, now + timedelta(seconds=1))
        retry_at = session.retry_not_before_at()
        assert retry_at
        found.append(session.retry_after_seconds)
        assert [False, True] == [session.may_renew(policy, CLIENT, HERE, at) for at in (now, retry_at)]
        now = retry_at
        fresh = credentials(now + timedelta(hours=8))
        session = session.issued(fresh, skew_seconds=0, jitter_seconds=0, now=now)
    assert waits == found


def test_a_rejection_after_a_good_life_starts_anew() -> None:
    """A session that AWS accepted for a while, or a renewal in time, resets the count of rejections."""
    again = (
        issued()
        .rejected(OVER, HUMAN, at(1))
        .issued(credentials(at(EIGHT_HOURS)), skew_seconds=0, jitter_seconds=0, now=at(300))
    )
    renewed = again.issued(credentials(at(EIGHT_HOURS)), skew_seconds=0, jitter_seconds=0, now=at(400))
    assert (2, 0, 1) == (
        again.rejected(OVER, HUMAN, at(301)).rejections,
        again.rejected(OVER, HUMAN, at(900)).rejections,
        renewed.rejected(OVER, HUMAN, at(401)).rejections,
    )


def test_a_person_wipes_out_rejections() -> None:
    """`mayfly login` resets the count of rejections."""
    assert Session(issued_at=NOON) == issued(used=False).rejected(OVER, HUMAN, at(1)).asked_by_person()


def test_doubts_are_seldom() -> None:
    """AWS is asked about fresh credentials every five minutes at most."""
    doubted = issued().verified(at(10))
    assert [True, False, True, False] == [
        issued().may_verify(HUMAN, at(10)),
        doubted.may_verify(HUMAN, at(309)),
        doubted.may_verify(HUMAN, at(310)),
        doubted.may_verify(HUMAN, at(DUE)),
    ]


def test_doubts_are_as_seldom_of_the_next_ones() -> None:
    """Neither new nor rejected credentials reset the five minutes."""
    doubted = issued().verified(at(10))
    renewed = doubted.issued(credentials(at(9 * HOUR)), skew_seconds=0, jitter_seconds=0, now=at(20))
    replaced = doubted.rejected(OVER, HUMAN, at(15)).issued(
        credentials(at(9 * HOUR)), skew_seconds=0, jitter_seconds=0, now=at(20)
    )
    assert [False, True] * 2 == [
        session.may_verify(HUMAN, at(second)) for session in (renewed, replaced) for second in (309, 310)
    ]


def test_what_aws_has_refused_is_doubted_while_it_lives() -> None:
    """Credentials that AWS refused are verified, also when due, but not after their end."""
    seconds = (10, DUE, EIGHT_HOURS)
    assert [True, True, False] == [issued().may_verify(HUMAN, at(second), is_refused=True) for second in seconds]
