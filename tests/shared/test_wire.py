"""What daemon and exchange say to each other survives the way, and nothing else does."""

from __future__ import annotations

import json

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.shared import errors, grant, wire
from mayfly.shared.credentials import KEY_ID_CHARACTERS, Credentials, container_body, process_body
from mayfly.shared.errors import ExchangeFailed, MayflyError
from mayfly.shared.errors.all_errors import leaves
from mayfly.shared.grant import GrantOrder, Narrowing
from mayfly.shared.plain_request import plain_login
from mayfly.shared.stages import STAGES, Stage
from mayfly.shared.wire import Identity, Request, Result


END = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

INSTANTS = st.integers(0, 2**37).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=200)
WORDS = st.text(max_size=50)
CREDENTIALS = st.builds(
    Credentials,
    access_key_id=SECRETS.filter(lambda text: len(text) <= KEY_ID_CHARACTERS),
    secret_access_key=SECRETS,
    session_token=SECRETS,
    expiration=INSTANTS,
    account_id=st.none() | WORDS,
    arn=st.none() | WORDS,
)
NAMES = WORDS.filter(lambda name: "@" not in name)
SUBJECTS = st.builds(grant.subject, NAMES, st.from_regex(r"[0-9a-f]{8}", fullmatch=True))
ORDERS = st.builds(
    GrantOrder,
    label=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", fullmatch=True),
    seconds=st.integers(),
    narrowing=st.builds(Narrowing, st.none() | WORDS, st.lists(WORDS, max_size=3).map(tuple)),
)
REQUESTS = st.builds(
    Request,
    kind=st.sampled_from(wire.KINDS),
    digest=WORDS,
    profiles=st.lists(NAMES, unique=True, max_size=5).map(tuple),
    sessions=st.dictionaries(WORDS, CREDENTIALS, max_size=3),
    with_stages=st.booleans(),
)
RESULTS = st.builds(
    Result,
    profile=WORDS,
    outcome=CREDENTIALS | st.builds(Identity, user_id=WORDS, account=WORDS, arn=WORDS),
    aws_at=st.none() | INSTANTS,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)

SESSION = Credentials(access_key_id="ASIA", secret_access_key="s3cr3t", session_token="t0k3n", expiration=END)
LONGEST_TOKEN = 9_999 - len(process_body(SESSION)) + len(SESSION.session_token)
RESULT: dict[str, Any] = json.loads(wire.result_bytes(Result(profile="nsrc", outcome=SESSION)))
ERROR: dict[str, Any] = json.loads(wire.result_bytes(Result(profile="nsrc", outcome=errors.AwsFailed("no"))))


@settings(deadline=None)
@given(request=REQUESTS)
def test_a_request_survives_the_way(request: Request) -> None:
    """What the daemon asks is what the exchange reads."""
    assert request == wire.parse_request(wire.request_bytes(request))


@settings(deadline=None)
@given(request=REQUESTS, grants=st.dictionaries(SUBJECTS, ORDERS, min_size=1, max_size=3))
def test_orders_for_grants_survive_the_way(request: Request, grants: dict[str, GrantOrder]) -> None:
    """They stand beside the profiles of an assume, under the names of their sessions."""
    asked = attrs.evolve(request, kind="assume", profiles=(*request.profiles, *grants), grants=grants)

    assert asked == wire.parse_request(wire.request_bytes(asked))
    assert asked.profiles == asked.subjects


@settings(deadline=None)
@given(result=RESULTS)
def test_a_result_survives_the_way(result: Result) -> None:
    """What the exchange answers is what the daemon reads; one line, however odd its texts."""
    raw = wire.result_bytes(result)

    assert result == wire.parse_result(raw)
    assert 1 == raw.count(b"\n") == len(raw.splitlines())


@pytest.mark.parametrize("leaf", leaves(MayflyError))
def test_every_error_survives_the_way(leaf: type[MayflyError]) -> None:
    """An error arrives as what it was, with its message, its hint and its time to wait."""
    sent = leaf("what happened")
    sent.hint, sent.retry_after_seconds = "what to do", 90.5

    came = wire.parse_result(wire.result_bytes(Result(profile="nsrc", outcome=sent))).outcome

    assert isinstance(came, MayflyError)
    assert (leaf, "what happened", "what to do", 90.5) == (
        type(came),
        came.message,
        came.hint,
        came.retry_after_seconds,
    )


def test_several_problems_of_a_config_survive_as_one_message() -> None:
    """ConfigInvalid takes its problems one by one, and is no exception to the rule."""
    raw = wire.result_bytes(Result(profile="nsrc", outcome=errors.ConfigInvalid("one", "two")))

    outcome = wire.parse_result(raw).outcome
    assert isinstance(outcome, errors.ConfigInvalid)
    assert "one; two" == outcome.message


def test_a_message_of_any_length_fits_on_a_line() -> None:
    """A config with a thousand problems is still answered for."""
    raw = wire.result_bytes(Result(profile="nsrc", outcome=errors.ConfigInvalid(*["a problem"] * 100_000)))

    assert len(raw) < wire.MAX_LINE_BYTES
    assert isinstance(wire.parse_result(raw).outcome, errors.ConfigInvalid)


@pytest.mark.parametrize(("kind", "subjects"), [("login", ("a", "b")), ("assume", ("a", "b")), ("verify", ("c",))])
def test_a_request_has_its_subjects(kind: str, subjects: tuple[str, ...]) -> None:
    """A verify is about the sessions it brings, everything else about the profiles it names."""
    assert subjects == Request(kind=kind, digest="", profiles=("a", "b"), sessions={"c": SESSION}).subjects


def _but(tree: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps(tree | changes).encode() + b"\n"


def _with_credentials(**changes: Any) -> bytes:
    return _but(RESULT, credentials=RESULT["credentials"] | changes)


def _with_error(**changes: Any) -> bytes:
    return _but(ERROR, error=ERROR["error"] | changes)


NO_RESULTS = {
    "nothing": b"",
    "an empty line": b"\n",
    "cut off": _but(RESULT)[:-10],
    "two documents": _but(RESULT) * 2,
    "too long": _but(RESULT, profile="n" * wire.MAX_LINE_BYTES),
    "no text": b"\xff\xfe\xfd\n",
    "nested deep": b"[" * 60_000,
    "another version": _but(RESULT, version=wire.VERSION + 1),
    "an unknown key": _but(RESULT, colour="red"),
    "no profile": _but(RESULT, profile=None),
    "no outcome": _but({key: RESULT[key] for key in RESULT if key != "credentials"}),
    "two outcomes": _but(RESULT, error=ERROR["error"]),
    "a local time": _but(RESULT, aws_at="2026-01-02T03:04:05+02:00"),
    "a number for a time": _but(RESULT, aws_at=5),
    "credentials as a list": _but(RESULT, credentials=[]),
    "a missing part": _but(RESULT, credentials={"access_key_id": "ASIA"}),
    "an additional part": _with_credentials(region="x"),
    "an empty key": _with_credentials(access_key_id=""),
    "a line break in a secret": _with_credentials(secret_access_key="a\nb"),
    "a quote in another alphabet": _with_credentials(session_token="“t”"),
    "a number for a secret": _with_credentials(secret_access_key=1),
    "a token without end": _with_credentials(session_token="t" * 20_000),
    "a token that SDKs may not read": _with_credentials(session_token="t" * (LONGEST_TOKEN + 1)),
    "a token of quotes": _with_credentials(session_token='"' * (LONGEST_TOKEN // 2 + 1)),
    "a secret that SDKs may not read": _with_credentials(secret_access_key="s" * (LONGEST_TOKEN + 2)),
    "a role that SDKs may not read": _with_credentials(session_token="t" * LONGEST_TOKEN, arn="arn" * 9),
    "a long key id": _with_credentials(access_key_id="A" * 129),
    "no expiration": _with_credentials(expiration=None),
    "an expiration in words": _with_credentials(expiration="tomorrow"),
    "a fraction of a second": _with_credentials(expiration="2026-01-02T03:04:05.5Z"),
    "an account as a number": _with_credentials(account_id=58264411872),
    "an unknown error": _with_error(code="SystemExit"),
    "an inner node": _with_error(code="OurError"),
    "a private error": _with_error(code="_MayPass"),
    "an error without a message": _with_error(message=None),
    "a wait of nothing": _with_error(retry_after_seconds=True),
    "a wait that is none": _with_error(retry_after_seconds=float("nan")),
    "a wait without end": _with_error(retry_after_seconds=float("inf")),
    "a wait of centuries": _with_error(retry_after_seconds=10**300),
    "a wait that lies behind": _with_error(retry_after_seconds=-1),
    "a wait in words": _with_error(retry_after_seconds="90"),
}


def test_the_longest_parts_are_taken() -> None:
    """A key id has the length that the STS API allows, and all parts together what SDKs read."""
    long = attrs.evolve(SESSION, session_token="t" * LONGEST_TOKEN), attrs.evolve(SESSION, access_key_id="A" * 128)
    found = [wire.parse_result(wire.result_bytes(Result(profile="nsrc", outcome=one))).outcome for one in long]

    assert list(long) == found
    assert 9_999 == max(len(container_body(long[0])), len(process_body(long[0])))


@pytest.mark.parametrize("line", NO_RESULTS.values(), ids=NO_RESULTS.keys())
def test_what_is_no_result_is_refused(line: bytes) -> None:
    """A malformed line is an ExchangeFailed, which repeats nothing of it."""
    with pytest.raises(ExchangeFailed) as raised:
        wire.parse_result(line)

    assert "s3cr3t" not in raised.value.sentence()
    assert "t0k3n" not in raised.value.sentence()


@pytest.mark.parametrize("version", [wire.VERSION - 1, wire.VERSION + 1])
def test_a_result_of_another_version_says_what_to_do(version: int) -> None:
    """An upgrade leaves the daemon running, and each exchange is the new one."""
    with pytest.raises(ExchangeFailed) as raised:
        wire.parse_result(_but({"version": version, "profile": "nsrc", "something": "new"}))

    assert "the daemon is of another version than what is installed: restart it" in raised.value.sentence()


@pytest.mark.parametrize(("kind", "subjects"), [("login", ["a", "b"]), ("verify", ["c"])])
def test_a_request_of_another_version_is_answered_in_its_own(kind: str, subjects: list[str]) -> None:
    """Its daemon reads an error a profile, as it could read any other."""
    request = Request(kind=kind, digest="", profiles=("a", "b"), sessions={"c": SESSION})
    with pytest.raises(wire.OtherVersion) as raised:
        wire.parse_request(_but(json.loads(wire.request_bytes(request)), version=1, colour="red"))

    trees = [json.loads(line) for line in raised.value.answer().splitlines()]
    assert [(1, name) for name in subjects] == [(tree["version"], tree["profile"]) for tree in trees]
    assert all(ERROR.keys() == tree.keys() and tree["error"].keys() == ERROR["error"].keys() for tree in trees)
    assert {("ExchangeFailed", "restart it")} == {
        (tree["error"]["code"], tree["error"]["hint"].partition(":")[0]) for tree in trees
    }


@settings(deadline=None)
@given(raw=st.binary(max_size=200) | JSON.map(lambda tree: json.dumps(tree).encode()))
def test_any_bytes_are_a_result_or_refused(raw: bytes) -> None:
    """No line raises anything but ExchangeFailed, and no request anything but what its reader expects."""
    with pytest.raises(ExchangeFailed):
        wire.parse_result(raw)
    with pytest.raises((ValueError, TypeError, KeyError, RecursionError)):
        wire.parse_request(raw)


@settings(deadline=None)
@given(result=RESULTS, data=st.data())
def test_a_truncated_result_is_refused(result: Result, data: st.DataObject) -> None:
    """However much of a line is missing at its end, it is no result."""
    raw = wire.result_bytes(result).rstrip(b"\n")
    cut = data.draw(st.integers(0, len(raw) - 1))

    with pytest.raises(ExchangeFailed):
        wire.parse_result(raw[:cut])


def test_no_value_shows_itself() -> None:
    """Neither a request nor a result has a secret in its representation."""
    shown = repr(Request(kind="assume", digest="", profiles=(), sessions={"nsrc": SESSION})) + repr(
        Result(profile="nsrc", outcome=SESSION)
    )

    assert "s3cr3t" not in shown
    assert "t0k3n" not in shown


# Stages

STAGE: dict[str, Any] = json.loads(wire.stage_bytes(Stage(name="code", profiles=("a", "b"), left_seconds=14)))


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("left_seconds", [None, 0, 14, 29.97])
def test_a_stage_survives_the_way(name: str, left_seconds: float | None) -> None:
    """Its name, its profiles, and the time that is left, where it is known."""
    stage = Stage(name=name, profiles=("a", "b"), left_seconds=left_seconds)

    assert stage == wire.parse_told(wire.stage_bytes(stage))


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": "hack"},
        {"stage": None},
        {"stage": ["op"]},
        {"profiles": "a"},
        {"profiles": [1]},
        {"profiles": None},
        {"left_seconds": "14"},
        {"left_seconds": True},
        {"left_seconds": -1},
        {"left_seconds": 10**9},
        {"left_seconds": float("nan")},
        {"profile": "a"},
        {"version": wire.VERSION + 1},
        {"version": None},
    ],
    ids=str,
)
def test_what_is_no_stage_is_refused(changes: dict[str, Any]) -> None:
    """A malformed stage ends the exchange, as a malformed result does."""
    with pytest.raises(ExchangeFailed):
        wire.parse_told(_but(STAGE, **changes))


def test_a_stage_is_no_result() -> None:
    """Who waits for results alone is told no stages."""
    with pytest.raises(ExchangeFailed):
        wire.parse_result(_but(STAGE))


def test_stages_are_asked_for_by_one_word() -> None:
    """A request without it is as it was; with anything else than true it is no request."""
    plain = Request(kind="login", digest="d", profiles=("nsrc",))
    assert b"stages" not in wire.request_bytes(plain)
    for value in (False, None, 1, "true"):
        with pytest.raises(ValueError, match="stages"):
            wire.parse_request(_but(json.loads(wire.request_bytes(plain)), stages=value))


# Orders for grants

SUBJECT = "admin@1a2b3c4d"
ORDER = GrantOrder(label="claude", seconds=900, narrowing=Narrowing('{"Statement": []}', ("arn:1", "arn:2")))
ORDERED: dict[str, Any] = json.loads(
    wire.request_bytes(
        Request(kind="assume", digest="d", profiles=(SUBJECT, "admin"), sessions={}, grants={SUBJECT: ORDER})
    )
)


def _with_order(subject: str = SUBJECT, **changes: Any) -> dict[str, Any]:
    """Changes of the request: its only order is another one, under the name of `subject`."""
    return {"profiles": [subject, "admin"], "grants": {subject: ORDERED["grants"][SUBJECT] | changes}}


NO_ORDERS: dict[str, dict[str, Any]] = {
    "no table": {"grants": [SUBJECT]},
    "nothing": {"grants": None},
    "an empty table": {"grants": {}, "profiles": ["admin"]},
    "a login": {"kind": "login"},
    "a verify": {"kind": "verify"},
    "an order without its subject": {"profiles": ["admin"]},
    "a subject without an order": {"profiles": [SUBJECT, "admin@00000000"]},
    "an order for a profile": _with_order("admin"),
    "an order of nothing": {"grants": {SUBJECT: None}},
    "an order as a list": {"grants": {SUBJECT: list(ORDERED["grants"][SUBJECT])}},
    **{
        f"the id {odd!r}": _with_order(f"admin@{odd}")
        for odd in ("1A2B3C4D", "1a2b3c4", "1a2b3c4d5", "1a2b3c4d\n", "../../ab")
    },
    "two ids": _with_order("admin@1a2b3c4d@1a2b3c4d"),
    **{
        f"the label {odd!r}": _with_order(label=odd)
        for odd in ("", "-a", "a b", "a/b", "a@b", "a+b", "a\n", "ä", "a" * 33, None, 1, ["a"])
    },
    **{f"{odd!r} for seconds": _with_order(seconds=odd) for odd in (True, 900.0, "900", None, [900])},
    **{f"{odd!r} for a policy": _with_order(policy=odd) for odd in (True, 1, {"Statement": []}, [])},
    **{f"{odd!r} for ARNs": _with_order(policy_arns=odd) for odd in (None, "arn:1", [1], [None], {"arn:1": 1})},
    **{
        f"{key} in an order": _with_order(**{key: "x"})
        for key in ("role_arn", "session_name", "tags", "external_id", "source_identity", "duration_seconds", "id")
    },
    "an order without seconds": {
        "grants": {SUBJECT: {key: value for key, value in ORDERED["grants"][SUBJECT].items() if key != "seconds"}}
    },
}


@pytest.mark.parametrize("changes", NO_ORDERS.values(), ids=NO_ORDERS.keys())
def test_what_is_no_order_is_no_request(changes: dict[str, Any]) -> None:
    """An order has a label, seconds and a narrowing, and nothing else; it stands in an assume, beside its subject."""
    assert {SUBJECT: ORDER} == wire.parse_request(_but(ORDERED)).grants

    with pytest.raises((ValueError, TypeError)):
        wire.parse_request(_but(ORDERED, **changes))


@pytest.mark.parametrize(
    "changes",
    [{}, {"kind": "login"}, {"kind": "login", "grants": {}, "profiles": ["admin"]}, {"kind": "login", "grants": None}],
    ids=str,
)
def test_an_order_is_no_plain_login(changes: dict[str, Any]) -> None:
    """`op` does not start early for a request that has to do with grants, nor for a login of a grant's session."""
    no_orders = {key: value for key, value in ORDERED.items() if key != "grants"} | {"kind": "login"}

    assert plain_login(_but(ORDERED, **changes)) is None
    assert plain_login(_but(no_orders)) is None
    assert plain_login(_but(no_orders, profiles=["admin"])) is not None
