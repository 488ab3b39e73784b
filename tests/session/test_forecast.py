"""When the clock tries next: the forecast, and what the core decides when the time has come."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mayfly.session import Session
from mayfly.session.forecast import renewal_at
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.session.trigger import Trigger
from mayfly.shared.errors import MayflyError
from support.engine import HERE, HOUR, NO, at, credentials, issued
from support.laws import ERRORS, up_to


A_LITTLE = timedelta(milliseconds=1)
FRACTIONS = (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.01, 1.2, 9)
LEFT = (1190, 900, 600, 301, 299, 100, 1, -1)


@pytest.mark.laws
@given(
    asks_human=st.booleans(),
    life=st.one_of(st.floats(900, 3600), st.floats(2700, 36 * HOUR)).map(round),
    jitter=st.floats(0, 60),
    is_used=st.booleans(),
    error=st.one_of(st.none(), st.sampled_from(ERRORS)),
    failures=st.sampled_from([1, 1, 2, 8]),
    failed_before_end=st.one_of(st.floats(300, 340), up_to(400, 2000, 36 * HOUR)),
    seen_after=up_to(60, HOUR, 36 * HOUR),
    needed_longer=st.one_of(st.none(), up_to(600, HOUR)),
)
@example(
    asks_human=True,
    life=8 * 3600,
    jitter=0,
    is_used=True,
    error=NO,
    failures=1,
    failed_before_end=7 * HOUR,
    seen_after=5,
    needed_longer=None,
)
@example(
    asks_human=True,
    life=900,
    jitter=0,
    is_used=True,
    error=NO,
    failures=1,
    failed_before_end=301,
    seen_after=301,
    needed_longer=None,
)
@settings(max_examples=600)
def test_the_clock_tries_when_it_was_foretold_and_not_before(
    *,
    asks_human: bool,
    life: int,
    jitter: float,
    is_used: bool,
    error: MayflyError | None,
    failures: int,
    failed_before_end: float,
    seen_after: float,
    needed_longer: float | None,
) -> None:
    """With somebody there and nothing else that happens; where nothing is foretold, it does not begin to."""
    policy = RefreshPolicy(mode="while-used", asks_human=asks_human)
    session = issued(life, used=is_used, jitter_seconds=jitter)
    second = max(0, life - failed_before_end)
    for _ in range(failures if error else 0):
        session = session.failed(error, policy, jitter=jitter / 60, now=at(second)) if error else session
        second += session.retry_after_seconds if failures > 1 else 0
    now = at((second if error else 0) + seen_after)
    needed_until = at(life + needed_longer) if needed_longer else None

    def tries(moment: datetime) -> bool:
        return session.may_renew(policy, Trigger.CLOCK, HERE, moment, needed_until=needed_until)

    foretold = renewal_at(session, policy, now, needed_until=needed_until)
    times = [*(now + timedelta(seconds=life * part) for part in FRACTIONS), *(at(life - left) for left in LEFT)]
    later = [moment for moment in times if moment >= now]
    if foretold:
        assert tries(foretold + A_LITTLE)
        assert not any(tries(moment) for moment in (now, foretold - A_LITTLE, *later) if moment < foretold)
    elif not tries(now):
        assert not any(map(tries, later))


@pytest.mark.parametrize("mode", ["while-used", "on-demand"])
def test_no_renewal_is_foretold_that_a_client_must_ask_for(mode: str) -> None:
    """A session that nobody uses, and one on demand, have no time at which they are renewed."""
    unused = Session().issued(credentials(at(8 * HOUR)), skew_seconds=0, jitter_seconds=0, now=at(0))
    policy = RefreshPolicy(mode=mode, asks_human=True)
    used = renewal_at(unused.fetched(at(1)), policy, at(2))

    assert (None, mode == "on-demand") == (renewal_at(unused, policy, at(2)), used is None)
