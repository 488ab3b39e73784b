"""Which token opens which profile, and until when."""

from __future__ import annotations

import sys

from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

import pytest

from hypothesis import example, given
from hypothesis import strategies as st

from mayfly.daemon.grants import Grant, Table, table
from mayfly.daemon.grants.table import ENDED_REMEMBERED, ENDINGS, digest


NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SENT = st.text(st.characters(codec=None, exclude_categories=[]), max_size=60)


@given(sent=SENT, profile=SENT)
@example(sent="\ud800", profile="\udfff")
def test_nothing_but_the_right_token_opens(sent: str, profile: str) -> None:
    """Any token, bytes that are no text included, for any profile: refused, and no error."""
    grants = Table()
    grants.replace({"nsrc": digest("t" * 43), "other": digest("u" * 43)})

    assert not grants.find(sent, profile, NOW)
    assert not grants.find("t" * 43, profile, NOW)
    assert not grants.find(sent, "nsrc", NOW)


@given(raw=st.binary(max_size=60))
def test_bytes_that_are_no_text_open_nothing(raw: bytes) -> None:
    """As aiohttp hands them over (surrogates), and as WSGI would (Latin-1)."""
    grants = Table()
    grants.replace({"nsrc": digest("t" * 43)})

    assert not grants.find(raw.decode("utf-8", "surrogateescape"), "nsrc", NOW)
    assert not grants.find(raw.decode("latin-1"), "nsrc", NOW)


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 2**64), min_size=1, max_size=8))
def test_each_token_opens_its_own_profile_and_no_other(numbers: dict[str, int]) -> None:
    """A token is a key to one door."""
    given_tokens = {profile: f"{profile!a}-{number}" for profile, number in numbers.items()}
    grants = Table()
    grants.replace({profile: digest(token) for profile, token in given_tokens.items()})

    assert given_tokens.keys() == {
        profile
        for profile in given_tokens
        for holder, token in given_tokens.items()
        if grants.find(token, profile, NOW) and holder == profile
    }
    assert not any(
        grants.find(token, profile, NOW)
        for profile in given_tokens
        for holder, token in given_tokens.items()
        if holder != profile
    )


def test_no_token_opens_no_profile() -> None:
    """An empty name and an unknown token are not each other's match."""
    assert not Table().find("", "", NOW)
    assert not Table().find("anything", "", NOW)


def test_a_replaced_token_is_forgotten() -> None:
    """After a rotation the old one opens nothing, at once."""
    grants = Table()
    grants.replace({"nsrc": digest("old")})
    grants.replace({"nsrc": digest("new")})

    assert (True, False) == (grants.find("old", "nsrc", NOW) is None, grants.find("new", "nsrc", NOW) is None)


@given(st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=1)))
def test_a_grant_with_an_end_ends(late: timedelta) -> None:
    """At its very instant a grant is over."""
    grants = Table()
    grants.add(Grant(profile="nsrc", session="nsrc", id="0123abcd", digest=digest("t"), ends_at=NOW))

    assert (late < timedelta(0)) == bool(grants.find("t", "nsrc", NOW + late))
    assert (late < timedelta(0)) == bool(grants.find_again(digest("t"), "nsrc", NOW + late))
    assert not grants.find_again(digest("t"), "other", NOW + late)
    assert not grants.find_again(digest(""), "", NOW + late)


def _of_an_agent(token: str = "g" * 43, profile: str = "nsrc") -> Grant:
    return Grant(profile=profile, session=profile, id="0123abcd", label="agent", digest=digest(token), ends_at=LATER)


LATER = NOW + timedelta(hours=1)


def test_new_tokens_of_profiles_leave_grants_alone() -> None:
    """As `rotate` and `reload` make them: a profile's own token is not its grants'."""
    grants = Table()
    grants.replace({"nsrc": digest("old")})
    grants.add(_of_an_agent())
    grants.replace({"nsrc": digest("new")})

    assert [False, True, True] == [bool(grants.find(token, "nsrc", NOW)) for token in ("old", "new", "g" * 43)]


def test_a_grant_opens_what_it_is_for_and_nothing_else() -> None:
    """The URL names the profile, and the token chooses the session."""
    grants, grant = Table(), Grant(profile="admin", session="admin@0123abcd", id="0123abcd", digest=digest("g"))
    grants.replace({"admin": digest("own")})
    grants.add(grant)

    own = grants.find("own", "admin", NOW)
    assert ("admin", "admin@0123abcd") == (own and own.session, grant.session)
    assert grant is grants.find("g", "admin", NOW)
    assert None is grants.find("g", "admin@0123abcd", NOW)
    assert None is grants.find("g", "nsrc", NOW)


@pytest.mark.parametrize("cause", ENDINGS)
def test_why_a_grant_has_ended_is_told_to_those_who_have_its_token(cause: str) -> None:
    """And of its profile alone: a stranger learns nothing."""
    grants, grant = Table(), _of_an_agent()
    grants.add(grant)
    grants.remove(grant, cause)
    grants.remove(grant, "revoked")

    assert None is grants.find("g" * 43, "nsrc", NOW)
    assert cause == grants.ended("g" * 43, "nsrc", NOW)
    assert [None, None] == [grants.ended("g" * 43, "other", NOW), grants.ended("h" * 43, "nsrc", NOW)]


def test_a_grant_whose_time_is_over_is_told_so_before_anybody_has_looked() -> None:
    """The clock's look comes up to half a minute later."""
    grants = Table()
    grants.add(_of_an_agent())

    assert [None, "expired"] == [grants.ended("g" * 43, "nsrc", at) for at in (NOW, LATER)]
    assert None is grants.find("g" * 43, "nsrc", LATER)


def test_only_the_last_few_thousand_ended_grants_are_remembered() -> None:
    """A flood of grants takes no memory for ever."""
    grants = Table()
    for number in range(ENDED_REMEMBERED + 1):
        grant = _of_an_agent(f"token {number}")
        grants.add(grant)
        grants.remove(grant, "revoked")

    assert [None, "revoked"] == [grants.ended(f"token {number}", "nsrc", NOW) for number in (0, 1)]


def test_no_look_up_depends_on_the_token() -> None:
    """A token that opens, one that did, a grant's and a stranger's: each costs one digest of itself and one look."""
    grants, grant = Table(), _of_an_agent()
    grants.replace({"nsrc": digest("own")})
    grants.add(grant)

    lines = [_lines_run(grants, token) for token in ("own", "g" * 43, "a stranger's", "", "\ud800")]
    assert [lines[0]] * 5 == lines


def _lines_run(grants: Table, token: str) -> list[int]:
    """The lines of table.py that run for a look-up; what follows the judgement may differ."""
    run: list[int] = []

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename != table.__file__:
            return None
        if event == "line" and frame.f_code.co_name in ("find", "digest"):
            run.append(frame.f_lineno)
        return trace

    before = sys.gettrace()  # coverage's, in its processes
    sys.settrace(trace)
    try:
        grants.find(token, "nsrc", NOW)
    finally:
        sys.settrace(before)
    return run
