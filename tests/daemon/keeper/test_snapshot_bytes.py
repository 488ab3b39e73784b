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
from mayfly.shared.errors import ApprovalDismissed, MayflyError
from mayfly.shared.errors.all_errors import leaves


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
_counts = st.integers(0, 1000)
_errors = st.builds(
    lambda leaf, message, hint: with_hint(leaf(message), hint),
    st.sampled_from(leaves(MayflyError)),
    st.text(max_size=8),
    st.text(max_size=8),
)
lives = st.fixed_dictionaries(
    {
        "issued_at": _instants,
        "skew_seconds": st.floats(0, 1e6),
        "jitter_seconds": _numbers,
        "last_fetched_at": st.none() | _instants,
        "alarmed_seconds": st.none() | _numbers,
        "verified_at": st.none() | _instants,
        "forgotten": st.booleans(),
        "rejections": _counts,
    }
)
failures = st.fixed_dictionaries(
    {
        "failed_at": _instants,
        "retry_after_seconds": st.floats(0, 1e6),
        "consecutive_failures": _counts,
        "last_error": _errors,
        "was_reshown": st.booleans(),
    }
)
sessions = st.builds(
    lambda found, life, failure: Session(credentials=found, **life, **failure),
    credentials,
    lives,
    st.just({}) | failures,
)
failed_sessions = st.builds(lambda life, failure: Session(**life, **failure), lives | st.just({}), failures)
kept = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.builds(StoredSession, st.text(max_size=8), sessions | failed_sessions, st.text(max_size=8)),
    max_size=3,
)


def with_hint(error: MayflyError, hint: str) -> MayflyError:
    error.hint = hint
    return error


def plain(rows: dict[str, StoredSession]) -> dict[str, object]:
    """Rows as values that can be compared, because two equal errors are different objects."""

    def words(error: MayflyError | None) -> object:
        return error and (error.code, error.message, error.hint)

    return {
        name: (row.origin, row.circumstances, attrs.evolve(row.session, last_error=None), words(row.session.last_error))
        for name, row in rows.items()
    }


@given(kept)
def test_what_is_kept_comes_back_as_it_was(rows: dict[str, StoredSession]) -> None:
    """Unpacking a packed snapshot gives the same sessions, failures and origins."""
    assert plain(rows) == plain(unpack(pack(rows)))


@given(st.dictionaries(st.text(min_size=1, max_size=8), sessions, max_size=3))
def test_what_the_former_version_kept_comes_back(rows: dict[str, Session]) -> None:
    """Sessions survive the upgrade: every field of the former format is taken over, and no failure is added."""
    known = ("credentials", "issued_at", "skew_seconds", "jitter_seconds", "last_fetched_at", "alarmed_seconds")
    alike = {
        name: StoredSession("o", Session(**{field: getattr(session, field) for field in known}))
        for name, session in rows.items()
    }

    assert plain(alike) == plain(unpack(former(alike)))


def former(rows: dict[str, StoredSession]) -> bytes:
    """The same sessions in the former format."""
    tree = json.loads(pack(rows) or b'{"sessions": {}}')
    names = ("credentials", "issued_at", "skew_seconds", "jitter_seconds", "last_fetched_at", "alarmed_seconds")
    sessions = {name: {field: row[field] for field in ("origin", *names)} for name, row in tree["sessions"].items()}
    return json.dumps({"format": "mayfly-sessions-1", "sessions": sessions}).encode()


@pytest.mark.parametrize("key", ["failed_at", "forgotten", "last_error"])
def test_the_former_format_has_its_own_shape(key: str) -> None:
    """A row of the former format with a field of the new one is dropped."""
    tree = json.loads(former({"nsrc": StoredSession("o", session(NOW + timedelta(hours=1)))}))
    tree["sessions"]["nsrc"][key] = None

    assert {} == unpack(json.dumps(tree).encode())


def test_a_life_is_not_lengthened_by_what_was_kept() -> None:
    """A skew by which AWS seemed behind is measured anew, because our clock may have been ahead."""
    early = attrs.evolve(session(NOW + timedelta(hours=1)), skew_seconds=-600)
    [back] = unpack(pack({"nsrc": StoredSession("o", early)})).values()

    assert 0 == back.session.skew_seconds


@given(st.binary(max_size=200))
def test_anything_else_is_dropped(raw: bytes) -> None:
    """Any other bytes in the store are dropped without an exception."""
    assert {} == unpack(raw)


ROW = json.loads(pack({"nsrc": StoredSession("o", Session(forgotten=True))}))["sessions"]["nsrc"]
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(sessions, st.sampled_from(sorted(ROW)), json_values)
def test_a_row_of_another_shape_drops_all(session: Session, key: str, value: Any) -> None:
    """A value of another type, a key too many or too few: the whole snapshot is dropped."""
    tree = json.loads(pack({"nsrc": StoredSession("o", session)}))
    changed, more, less = (json.loads(json.dumps(tree)) for _ in range(3))
    changed["sessions"]["nsrc"][key] = [value]
    more["sessions"]["nsrc"]["new"] = value
    del less["sessions"]["nsrc"][key]

    assert [{}, {}, {}] == [unpack(json.dumps(one).encode()) for one in (changed, more, less)]


HUGE = {"an integer": 10**400, "up": 1e300, "down": -1e300, "years": 1e9, "no number": math.nan, "endless": math.inf}


WRONG = {
    "an error nobody knows": ("last_error", {"code": "Nothing", "message": "", "hint": ""}),
    "a code for a family of errors": ("last_error", {"code": "AwsError", "message": "", "hint": ""}),
    "half an error": ("last_error", {"code": "ApprovalDismissed", "message": ""}),
    "a failure without an instant": ("failed_at", None),
    "an instant without a failure": ("last_error", None),
    "a count below zero": ("consecutive_failures", -1),
    "a count that is none": ("rejections", True),
    "a count beyond all counting": ("rejections", 10**400),
    "a switch that is none": ("was_reshown", 0),
    "a wait below zero": ("retry_after_seconds", -1),
    "no wait": ("retry_after_seconds", None),
    "credentials of no time": ("issued_at", None),
}


@pytest.mark.parametrize(("field", "value"), WRONG.values(), ids=WRONG)
def test_a_failure_that_is_none_drops_all(field: str, value: object) -> None:
    """A snapshot that `pack` cannot have made is dropped."""
    failed = attrs.evolve(session(NOW + timedelta(hours=1)), failed_at=NOW, last_error=ApprovalDismissed("no"))
    tree = json.loads(pack({"nsrc": StoredSession("o", failed)}))
    assert {} != unpack(json.dumps(tree).encode())
    tree["sessions"]["nsrc"][field] = value

    assert {} == unpack(json.dumps(tree).encode())


@pytest.mark.parametrize("key", ["skew_seconds", "jitter_seconds", "alarmed_seconds", "retry_after_seconds"])
@pytest.mark.parametrize("value", HUGE.values(), ids=HUGE)
def test_a_number_out_of_all_proportion_is_dropped(key: str, value: float) -> None:
    """A number that no clock can have measured is dropped without an exception."""
    tree = json.loads(pack({"nsrc": StoredSession("o", session(NOW + timedelta(hours=1)))}))
    tree["sessions"]["nsrc"][key] = value

    assert {} == unpack(json.dumps(tree).encode())


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_an_instant_beyond_all_reckoning_is_dropped(instant: str) -> None:
    """An instant that UTC cannot express is dropped."""
    tree = json.loads(pack({"nsrc": StoredSession("o", session(NOW + timedelta(hours=1)))}))
    tree["sessions"]["nsrc"]["issued_at"] = instant

    assert {} == unpack(json.dumps(tree).encode())


def test_another_format_is_dropped() -> None:
    """A snapshot of another version of the format is not read."""
    raw = pack({"nsrc": StoredSession("o", session(NOW + timedelta(hours=1)))})

    assert {} != unpack(raw)
    assert {} == unpack(raw.replace(b"mayfly-sessions-2", b"mayfly-sessions-3"))
    assert {} == unpack(raw.replace(b"mayfly-sessions-2", b"mayfly-sessions-1"))


def test_nothing_is_packed_of_nothing() -> None:
    """Without credentials, and without a failure, there is nothing to keep."""
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

    assert ["nsrc", "admin"] == Ledger(CONFIG).restore(before.snapshot(NOW), NOW)
    assert [] == Ledger(other).restore(before.snapshot(NOW), NOW)


def test_names_regions_and_refresh_modes_are_no_origin() -> None:
    """Another name, region or refresh mode does not change the origin, nor do the keys for locks and days."""
    other = attrs.evolve(KEYS, refresh="always", name="N", region="eu-west-1", sts_region=("eu-west-1",))
    other = attrs.evolve(other, on_lock="withhold", top_up=True)
    renamed = attrs.evolve(CONFIG, profiles={"base": other, "r": attrs.evolve(ROLE, source_profile="base")})

    assert (CONFIG.origins["nsrc"], CONFIG.origins["admin"]) == (renamed.origins["base"], renamed.origins["r"])
    assert CONFIG.origins["nsrc"] != CONFIG.origins["admin"]


def test_what_has_ended_does_not_come_back() -> None:
    """An expired session is dropped, and so is one whose profile is gone."""
    before = Ledger(CONFIG)
    before["nsrc"] = session(NOW - timedelta(seconds=1))
    before["admin"] = session(NOW + timedelta(hours=1))

    assert ["admin"] == Ledger(CONFIG).restore(before.snapshot(NOW), NOW)
    assert [] == Ledger(attrs.evolve(CONFIG, profiles={"nsrc": KEYS})).restore(before.snapshot(NOW), NOW)


def test_every_change_of_credentials_is_told() -> None:
    """`on_change` is called for new and for forgotten credentials, and not for a fetch."""
    heard: list[bool] = []
    ledger = Ledger(CONFIG, lambda: heard.append(ledger["nsrc"].credentials is not None))
    ledger["nsrc"] = session(NOW + timedelta(hours=1))
    ledger.note_fetch("nsrc", NOW)
    ledger["nsrc"] = ledger["nsrc"].forgot()

    assert [True, False] == heard
