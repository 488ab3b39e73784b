"""The protocol between daemon and exchange: one JSON document in, one JSON line for each profile out.

A request names profiles, hands over sessions, and may order sessions of grants, which are less than what the config
gives; it can carry no command, path, reference or endpoint. Both sides refuse unknown keys: a malformed result is an
ExchangeFailed, a malformed request ends the exchange.

Before each prompt the exchange sends `MAY_I`, and the daemon answers `YOU_MAY` or ends the exchange: since the request
the screen may have been locked, and a person who had allowed a prompt through the lock may have gone. Between the
results of a request that asks for its stages stands a line for each (`stages.Stage`).
"""

from __future__ import annotations

import json
import re

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs

from mayfly.shared import grant, plain_request
from mayfly.shared.credentials import Credentials, instant_text, is_within_limits, parse_instant
from mayfly.shared.error_tree import error_tree, parse_error
from mayfly.shared.errors import ExchangeFailed, MayflyError
from mayfly.shared.grant import GrantOrder
from mayfly.shared.grant_orders import orders_tree, parse_orders
from mayfly.shared.stages import Stage, parse_stage, stage_tree
from mayfly.shared.trees import object_of, text_of


VERSION = plain_request.VERSION
MAX_REQUEST_BYTES = plain_request.MAX_REQUEST_BYTES
MAY_I = plain_request.MAY_I
YOU_MAY = plain_request.YOU_MAY
KINDS = ("login", "assume", "verify")
MAX_LINE_BYTES = 64 * 1024

_OPTIONAL_KEYS = {"stages", "grants"}
_VISIBLE = re.compile(r"[!-~]+")


class OtherVersion(ValueError):
    """The request of a daemon of another version, such as one that still runs after an upgrade."""

    def __init__(self, version: int, subjects: tuple[str, ...]) -> None:
        super().__init__("another version")
        self._version = version
        self._subjects = subjects

    def answer(self) -> bytes:
        """An error for each profile, in that daemon's version."""
        return b"".join(
            _line({"version": self._version, "profile": name, "aws_at": None, "error": error_tree(_out_of_step())})
            for name in self._subjects
        )


@attrs.frozen(kw_only=True)
class Request:
    """A question of the daemon's. `kind` is one of three:

    login (by `op`: `profiles` with keys, and the roles among them), assume (`profiles` that are roles, from
    `sessions`), verify (the `sessions` themselves). `digest` is the SHA-256 of the config that the daemon read;
    `sessions` are live credentials by profile name. `with_stages`: the exchange tells what it waits for. `grants`: the
    orders for those of `profiles` that are sessions of grants, by their `grant.subject`; only in an assume.
    """

    kind: str
    digest: str
    profiles: tuple[str, ...]
    sessions: Mapping[str, Credentials] = attrs.field(factory=dict)
    with_stages: bool = False
    grants: Mapping[str, GrantOrder] = attrs.field(factory=dict)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The profiles that get a result each."""
        return tuple(self.sessions) if self.kind == "verify" else self.profiles


@attrs.frozen(kw_only=True)
class Identity:
    """The identity of a session, in the words of GetCallerIdentity."""

    user_id: str
    account: str
    arn: str


@attrs.frozen(kw_only=True)
class Result:
    """For `profile`: its new credentials (for a verify: its identity), or the error.

    `aws_at` is the `Date` of STS's answer, where there was one.
    """

    profile: str
    outcome: Credentials | Identity | MayflyError
    aws_at: datetime | None = None


# The functions by which the exchange hands over a result, and a result or a stage.
Emit = Callable[[Result], None]
Report = Callable[[Result | Stage], None]


def request_bytes(request: Request) -> bytes:
    """A request as one line of JSON."""
    return _line(
        {
            "version": VERSION,
            "kind": request.kind,
            "digest": request.digest,
            "profiles": list(request.profiles),
            "sessions": {name: credentials_tree(value) for name, value in request.sessions.items()},
        }
        # Only where they are wanted: an exchange of an earlier version does not know the words.
        | ({"stages": True} if request.with_stages else {})
        | ({"grants": orders_tree(request.grants)} if request.grants else {})
    )


def parse_request(raw: bytes) -> Request:
    """A request from its bytes; raises ValueError (OtherVersion is one), TypeError, KeyError or RecursionError for
    anything else.
    """
    tree = json.loads(raw)
    if _is_of_another_version(tree):
        raise OtherVersion(tree["version"], _named_subjects(tree))
    tree = object_of(tree, plain_request.REQUEST_KEYS | (_OPTIONAL_KEYS & set(tree)))
    if tree.get("stages", True) is not True:
        raise ValueError("stages is there, and not true")
    if tree["version"] != VERSION or tree["kind"] not in KINDS:
        raise ValueError("another version or kind")
    if not isinstance(tree["profiles"], list) or not isinstance(tree["sessions"], dict):
        raise ValueError("profiles is no list, or sessions no table")
    profiles = tuple(text_of(name) for name in tree["profiles"])
    if len(set(profiles)) < len(profiles):
        raise ValueError("a profile is named twice")
    grants = parse_orders(tree["grants"]) if "grants" in tree else {}
    if {name for name in profiles if grant.grant_id_of(name)} != grants.keys() or (grants and tree["kind"] != "assume"):
        raise ValueError("orders for others than the grants that are named, or for more than to assume a role")
    return Request(
        kind=tree["kind"],
        digest=text_of(tree["digest"]),
        profiles=profiles,
        sessions={name: parse_credentials(value) for name, value in tree["sessions"].items()},
        with_stages="stages" in tree,
        grants=grants,
    )


def _named_subjects(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """The `subjects` of a request of any version."""
    names = tree["sessions" if tree["kind"] == "verify" else "profiles"]
    if not isinstance(names, list | dict):
        raise TypeError("neither list nor table")
    return tuple(text_of(name) for name in names)


def result_bytes(result: Result) -> bytes:
    """A result as one line of JSON."""
    aws_at = instant_text(result.aws_at) if result.aws_at else None
    return _line({"version": VERSION, "profile": result.profile, "aws_at": aws_at} | _outcome_tree(result.outcome))


def _outcome_tree(outcome: Credentials | Identity | MayflyError) -> dict[str, Any]:
    if isinstance(outcome, Credentials):
        return {"credentials": credentials_tree(outcome)}
    if isinstance(outcome, Identity):
        return {"identity": attrs.asdict(outcome)}
    return {"error": error_tree(outcome)}


def stage_bytes(stage: Stage) -> bytes:
    """A stage as one line of JSON."""
    return _line(stage_tree(stage, VERSION))


def parse_result(line: bytes) -> Result:
    """A result from its line; raises ExchangeFailed for anything else."""
    told = parse_told(line)
    if isinstance(told, Stage):
        raise ExchangeFailed("the exchange tells a stage where its answer is due")
    return told


def parse_told(line: bytes) -> Result | Stage:
    """A result or a stage from its line; raises ExchangeFailed for anything else."""
    try:
        if len(line) > MAX_LINE_BYTES:
            raise ValueError("the line is too long")  # noqa: TRY301 - one way out for all that is malformed
        tree = json.loads(line)
        if isinstance(tree, dict) and "stage" in tree and not _is_of_another_version(tree):
            return parse_stage(tree, VERSION)
        return _result(tree)
    except (ValueError, KeyError, TypeError, RecursionError):
        # The reason could quote the line, and its type would tell a person nothing.
        raise ExchangeFailed("the exchange's answer cannot be read") from None


def _result(tree: Any) -> Result:
    if _is_of_another_version(tree):
        raise _out_of_step()
    kind = next((kind for kind in _OUTCOMES if isinstance(tree, dict) and kind in tree), "credentials")
    tree = object_of(tree, {"version", "profile", "aws_at", kind})
    if tree["version"] != VERSION:
        raise ValueError("another version")
    aws_at = parse_instant(tree["aws_at"]) if tree["aws_at"] is not None else None
    return Result(profile=text_of(tree["profile"]), outcome=_OUTCOMES[kind](tree[kind]), aws_at=aws_at)


def _is_of_another_version(tree: Any) -> bool:
    return isinstance(tree, dict) and type(tree.get("version")) is int and tree["version"] != VERSION


def _out_of_step() -> ExchangeFailed:
    return ExchangeFailed(
        "the daemon is of another version than what is installed",
        hint="restart it: 'mayfly install --now' does that for the service",
    )


def credentials_tree(credentials: Credentials) -> dict[str, Any]:
    """Credentials as a JSON object."""
    return attrs.asdict(credentials) | {"expiration": instant_text(credentials.expiration)}


def parse_credentials(tree: Any) -> Credentials:
    """The inverse of `credentials_tree`; raises ValueError or TypeError for anything else."""
    names = {field.name for field in attrs.fields(Credentials)}
    # Sessions that an earlier version has kept have no partition.
    tree = object_of({"partition": None} | tree, names)
    for name in ("access_key_id", "secret_access_key", "session_token"):
        if not _VISIBLE.fullmatch(text_of(tree[name])):
            raise ValueError(f"{name} is malformed")
    for name in ("account_id", "arn", "partition"):
        if tree[name] is not None:
            text_of(tree[name])
    credentials = Credentials(**tree | {"expiration": parse_instant(tree["expiration"])})
    if not is_within_limits(credentials):
        raise ValueError("longer than what STS issues and clients can read")
    return credentials


def _identity(tree: Any) -> Identity:
    tree = object_of(tree, {field.name for field in attrs.fields(Identity)})
    return Identity(**{name: text_of(value) for name, value in tree.items()})


_OUTCOMES: dict[str, Callable[[Any], Credentials | Identity | MayflyError]] = {
    "credentials": parse_credentials,
    "identity": _identity,
    "error": parse_error,
}


def _line(tree: dict[str, Any]) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode() + b"\n"
