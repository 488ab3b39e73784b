"""Which token opens which profile, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from mayfly.daemon.grants import Grant, Grants, digest


NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SENT = st.text(st.characters(codec=None, exclude_categories=[]), max_size=60)


@given(sent=SENT, profile=SENT)
@example(sent="\ud800", profile="\udfff")
def test_nothing_but_the_right_token_opens(sent: str, profile: str) -> None:
    """Any token, bytes that are no text included, for any profile: refused, and no error."""
    grants = Grants()
    grants.replace({"nsrc": digest("t" * 43), "other": digest("u" * 43)})

    assert not grants.opens(sent, profile, NOW)
    assert not grants.opens("t" * 43, profile, NOW)
    assert not grants.opens(sent, "nsrc", NOW)


@given(raw=st.binary(max_size=60))
def test_bytes_that_are_no_text_open_nothing(raw: bytes) -> None:
    """As aiohttp hands them over (surrogates), and as WSGI would (Latin-1)."""
    grants = Grants()
    grants.replace({"nsrc": digest("t" * 43)})

    assert not grants.opens(raw.decode("utf-8", "surrogateescape"), "nsrc", NOW)
    assert not grants.opens(raw.decode("latin-1"), "nsrc", NOW)


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 2**64), min_size=1, max_size=8))
def test_each_token_opens_its_own_profile_and_no_other(numbers: dict[str, int]) -> None:
    """A token is a key to one door."""
    given_tokens = {profile: f"{profile!a}-{number}" for profile, number in numbers.items()}
    grants = Grants()
    grants.replace({profile: digest(token) for profile, token in given_tokens.items()})

    assert given_tokens.keys() == {
        profile
        for profile in given_tokens
        for holder, token in given_tokens.items()
        if grants.opens(token, profile, NOW) and holder == profile
    }
    assert not any(
        grants.opens(token, profile, NOW)
        for profile in given_tokens
        for holder, token in given_tokens.items()
        if holder != profile
    )


def test_no_token_opens_no_profile() -> None:
    """An empty name and an unknown token are not each other's match."""
    assert not Grants().opens("", "", NOW)
    assert not Grants().opens("anything", "", NOW)


def test_a_replaced_token_is_forgotten() -> None:
    """After a rotation the old one opens nothing, at once."""
    grants = Grants()
    grants.replace({"nsrc": digest("old")})
    grants.replace({"nsrc": digest("new")})

    assert (False, True) == (grants.opens("old", "nsrc", NOW), grants.opens("new", "nsrc", NOW))


@given(st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=1)))
def test_a_grant_with_an_end_ends(late: timedelta) -> None:
    """At its very instant a grant is over."""
    grants = Grants()
    grants._rows[digest("t")] = Grant("nsrc", expires_at=NOW)

    assert (late < timedelta(0)) == grants.opens("t", "nsrc", NOW + late)
    assert (late < timedelta(0)) == grants.still_opens(digest("t"), "nsrc", NOW + late)
    assert not grants.still_opens(digest("t"), "other", NOW + late)
    assert not grants.still_opens(digest(""), "", NOW + late)
