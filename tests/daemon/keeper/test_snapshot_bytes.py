"""Sessions as bytes, and back."""

from __future__ import annotations

import json
import math

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.config.model import Config, KeyProfile, OnePassword, RoleProfile
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.snapshot import StoredSession, pack, unpack
from mayfly.session import Session
from mayfly.shared.credentials import Credentials


NOW = datetime(2026, 1, 1, tzinfo=UTC)

_secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
_instants = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given a zone
_numbers = st.floats(-1e6, 1e6)

credentials = st.builds(
    Credentials,
    access_key_id=_secrets,
    secret_access_key=_secrets,
    session_token=_secrets,
    expiration=_instants.map(lambda at: at.replace(microsecond=0)),
    account_id=st.none() | st.just("058264411872"),
    arn=st.none() | st.just("arn:aws:iam::058264411872:role/Admin"),
)
sessions = st.builds(
    Session,
    credentials=credentials,
    issued_at=_instants,
    skew_seconds=st.floats(0, 1e6),
    jitter_seconds=_numbers,
    last_fetched_at=st.none() | _instants,
    alarmed_seconds=st.none() | _numbers,
)
kept = st.dictionaries(
    st.text(min_size=1, max_size=8), st.builds(StoredSession, st.text(max_size=8), sessions), max_size=3
)


@given(kept)
def test_what_is_kept_comes_back_as_it_was(rows: dict[str, StoredSession]) -> None:
    """Unpacking what was packed gives the same sessions, origins and all."""
    assert rows == unpack(pack(rows))


def test_a_life_is_not_lengthened_by_what_was_kept() -> None:
    """A clock of AWS's that seemed behind ours is measured anew: ours may have been ahead."""
    early = attrs.evolve(session(NOW + timedelta(hours=1)), skew_seconds=-600)
    [back] = unpack(pack({"nsrc": StoredSession("o", early)})).values()

    assert 0 == back.session.skew_seconds


@given(st.binary(max_size=200))
def test_anything_else_is_dropped(raw: bytes) -> None:
    """Whatever bytes stand in the store, nothing is guessed at, and nothing is raised."""
    assert {} == unpack(raw)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(sessions, st.sampled_from(["origin", "credentials", "issued_at", "skew_seconds", "jitter_seconds"]), json_values)
def test_a_row_of_another_shape_drops_all(session: Session, key: str, value: Any) -> None:
    """A value of another kind, a key too many or too few: none of the kept sessions is believed."""
    tree = json.loads(pack({"nsrc": StoredSession("o", session)}))
    changed, more, less = (json.loads(json.dumps(tree)) for _ in range(3))
    changed["sessions"]["nsrc"][key] = [value]
    more["sessions"]["nsrc"]["new"] = value
    del less["sessions"]["nsrc"][key]

    assert [{}, {}, {}] == [unpack(json.dumps(one).encode()) for one in (changed, more, less)]


HUGE = {"an integer": 10**400, "up": 1e300, "down": -1e300, "years": 1e9, "no number": math.nan, "endless": math.inf}


@pytest.mark.parametrize("key", ["skew_seconds", "jitter_seconds", "alarmed_seconds"])
@pytest.mark.parametrize("value", HUGE.values(), ids=HUGE)
def test_a_number_out_of_all_proportion_is_dropped(key: str, value: float) -> None:
    """What no clock of ours can have measured is none of ours, and is nothing to stumble over."""
    tree = json.loads(pack({"nsrc": StoredSession("o", session(NOW + timedelta(hours=1)))}))
    tree["sessions"]["nsrc"][key] = value

    assert {} == unpack(json.dumps(tree).encode())


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_an_instant_beyond_all_reckoning_is_dropped(instant: str) -> None:
    """What is no instant by UTC is none of ours."""
    tree = json.loads(pack({"nsrc": StoredSession("o", session(NOW + timedelta(hours=1)))}))
    tree["sessions"]["nsrc"]["issued_at"] = instant

    assert {} == unpack(json.dumps(tree).encode())


def test_another_format_is_dropped() -> None:
    """A snapshot of another version of the format is not read."""
    raw = pack({"nsrc": StoredSession("o", session(NOW + timedelta(hours=1)))})

    assert {} != unpack(raw)
    assert {} == unpack(raw.replace(b"mayfly-sessions-1", b"mayfly-sessions-2"))


def test_nothing_is_packed_of_nothing() -> None:
    """Without credentials there is nothing to keep."""
    assert b"" == pack({}) == pack({"nsrc": StoredSession("o", Session())})


def session(expiration: datetime) -> Session:
    return Session(
        credentials=Credentials(
            access_key_id="ASIAEXAMPLE", secret_access_key="s", session_token="t", expiration=expiration
        ),
        issued_at=NOW,
    )


KEYS = KeyProfile(
    access_key_id="op://v/i/a",  # type: ignore[arg-type] # the plain text of what the config's checks let through
    secret_access_key="op://v/i/s",  # type: ignore[arg-type] # the same
    otp="op://v/i/o",  # type: ignore[arg-type] # the same
    mfa_id="op://v/i/m",  # type: ignore[arg-type] # the same
)
ROLE = RoleProfile(source_profile="nsrc", role_arn="arn:aws:iam::058264411872:role/Admin")  # type: ignore[arg-type] # the same
CONFIG = Config(profiles={"nsrc": KEYS, "admin": ROLE})

OTHERS = {
    "keys": attrs.evolve(CONFIG, profiles={"nsrc": attrs.evolve(KEYS, access_key_id="op://v/i/b"), "admin": ROLE}),
    "way": attrs.evolve(CONFIG, onepassword=OnePassword(account="other")),  # type: ignore[arg-type] # the same
    "duration": attrs.evolve(CONFIG, profiles={"nsrc": attrs.evolve(KEYS, duration_seconds=900), "admin": ROLE}),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_origin_gets_nothing_back(other: Config) -> None:
    """Where keys, account or duration have changed, neither the session nor the role above it comes back."""
    before = Ledger(CONFIG)
    for name in before.names:
        before[name] = session(NOW + timedelta(hours=1))

    assert ["nsrc", "admin"] == Ledger(CONFIG).restore(before.snapshot(), NOW)
    assert [] == Ledger(other).restore(before.snapshot(), NOW)


def test_names_regions_and_refresh_modes_are_no_origin() -> None:
    """What a profile is called, where its clients are and when it is renewed does not cost a session."""
    other = attrs.evolve(KEYS, refresh="always", name="N", region="eu-west-1", sts_region=("eu-west-1",))
    renamed = attrs.evolve(CONFIG, profiles={"base": other, "r": attrs.evolve(ROLE, source_profile="base")})

    assert (CONFIG.origins["nsrc"], CONFIG.origins["admin"]) == (renamed.origins["base"], renamed.origins["r"])
    assert CONFIG.origins["nsrc"] != CONFIG.origins["admin"]


def test_what_has_ended_does_not_come_back() -> None:
    """An expired session is dropped, and so is one whose profile is gone."""
    before = Ledger(CONFIG)
    before["nsrc"] = session(NOW - timedelta(seconds=1))
    before["admin"] = session(NOW + timedelta(hours=1))

    assert ["admin"] == Ledger(CONFIG).restore(before.snapshot(), NOW)
    assert [] == Ledger(attrs.evolve(CONFIG, profiles={"nsrc": KEYS})).restore(before.snapshot(), NOW)


def test_every_change_of_credentials_is_told() -> None:
    """Whoever keeps the sessions hears of new and of forgotten credentials, and not of a mere fetch."""
    heard: list[bool] = []
    ledger = Ledger(CONFIG, lambda: heard.append(ledger["nsrc"].credentials is not None))
    ledger["nsrc"] = session(NOW + timedelta(hours=1))
    ledger.note_fetch("nsrc", NOW)
    ledger["nsrc"] = ledger["nsrc"].forgot()

    assert [True, False] == heard
