"""Sessions and their failures as bytes, to be kept over a restart of the daemon, and back.

Laws: (1) pure; (2) content of an unknown format or another shape is dropped whole, never guessed at; (3) a session goes
back only to a profile that is made from the same: each carries the digest of what it was made from, its origin.
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mayfly.session import Session
from mayfly.shared import wire
from mayfly.shared.errors import MayflyError
from mayfly.shared.errors.all_errors import leaf_named


FORMAT = "mayfly-sessions-2"
# It had neither failures nor sessions without credentials.
FORMER_FORMAT = "mayfly-sessions-1"

_INSTANTS = ("issued_at", "last_fetched_at", "failed_at", "verified_at")
_NUMBERS = ("skew_seconds", "jitter_seconds", "alarmed_seconds", "retry_after_seconds")
_COUNTS = ("consecutive_failures", "rejections")
_SWITCHES = ("forgotten", "was_reshown")
_ROW = {"origin", "circumstances", "credentials", "last_error", *_INSTANTS, *_NUMBERS, *_COUNTS, *_SWITCHES}
_NEW = {"circumstances", "last_error", "failed_at", "verified_at", "retry_after_seconds", *_COUNTS, *_SWITCHES}
_MAY_BE_NONE = {*_INSTANTS, "alarmed_seconds"}

# No number of ours comes near a year, and arithmetic on instants fails beyond some number of seconds.
_MOST_SECONDS = 366 * 24 * 3600
_MOST_TIMES = 1_000_000


class StoredSession(NamedTuple):
    """A session, the digest of what it was made from, and the digest of what else its failures may come from."""

    origin: str
    session: Session
    circumstances: str = ""


def pack(sessions: Mapping[str, StoredSession]) -> bytes:
    """Every session that a restart must not lose, by its name; b"" where there is none."""
    rows = {name: _row(stored) for name, stored in sessions.items() if _is_worth_keeping(stored.session)}
    return json.dumps({"format": FORMAT, "sessions": rows}, separators=(",", ":")).encode() if rows else b""


def unpack(raw: bytes) -> dict[str, StoredSession]:
    """The inverse of `pack`; empty for content that is not exactly what `pack` makes, or made before."""
    try:
        tree = json.loads(raw) if raw else {}
        if tree.get("format") not in {FORMAT, FORMER_FORMAT} or tree.keys() != {"format", "sessions"}:
            return {}
        former = tree["format"] == FORMER_FORMAT
        return {name: _stored(_upgraded(row) if former else row) for name, row in tree["sessions"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return {}


def is_to_be_kept(before: Session, after: Session) -> bool:
    """True if a change must be stored at once, because a restart would undo it: new credentials, or a refusal."""
    return before.credentials is not after.credentials or _refusals(before) != _refusals(after)


def _refusals(session: Session) -> tuple[object, ...]:
    return session.failed_at, session.forgotten, session.rejections


def _is_worth_keeping(session: Session) -> bool:
    return session.credentials is not None or any(_refusals(session))


def _row(stored: StoredSession) -> dict[str, Any]:
    session, error = stored.session, stored.session.last_error
    plain = {name: getattr(session, name) for name in (*_NUMBERS, *_COUNTS, *_SWITCHES)}
    instants = {name: at.isoformat() if (at := getattr(session, name)) else None for name in _INSTANTS}
    return {
        "origin": stored.origin,
        "circumstances": stored.circumstances,
        "credentials": wire.credentials_tree(session.credentials) if session.credentials else None,
        "last_error": {"code": error.code, "message": error.message, "hint": error.hint} if error else None,
        **plain,
        **instants,
    }


def _upgraded(row: Any) -> dict[str, Any]:
    """A row of the former format as one of ours."""
    if row.keys() != _ROW - _NEW or row["credentials"] is None:
        raise ValueError("not a session")
    session = Session()
    plain = {name: getattr(session, name) for name in _NEW if name != "circumstances"}
    return {**plain, "circumstances": "", **row}


def _stored(row: Any) -> StoredSession:
    if row.keys() != _ROW or not all(isinstance(row[name], str) for name in ("origin", "circumstances")):
        raise ValueError("not a session")
    facts: dict[str, Any] = {name: _instant(row[name]) for name in _INSTANTS}
    facts |= {name: _number(row[name]) for name in _NUMBERS}
    facts |= {name: _count(row[name]) for name in _COUNTS}
    facts |= {name: _switch(row[name]) for name in _SWITCHES}
    facts["credentials"] = wire.parse_credentials(row["credentials"]) if row["credentials"] is not None else None
    facts["last_error"] = _error(row["last_error"]) if row["last_error"] is not None else None
    _check(facts)
    # An earlier process's clock may have run ahead of the wall's, which ours starts from. An AWS that is "behind"
    # would then lengthen the life, so the skew is measured anew.
    facts["skew_seconds"] = max(0.0, facts["skew_seconds"])
    return StoredSession(row["origin"], Session(**facts), row["circumstances"])


def _check(facts: Mapping[str, Any]) -> None:
    """Raise ValueError for facts that do not belong together."""
    is_whole = all(facts[name] is not None for name in facts.keys() - _MAY_BE_NONE - {"credentials", "last_error"})
    is_dated = facts["credentials"] is None or facts["issued_at"] is not None
    is_failure = (facts["failed_at"] is None) == (facts["last_error"] is None)
    if not (is_whole and is_dated and is_failure and facts["retry_after_seconds"] >= 0):
        raise ValueError("not a session")


def _error(tree: Any) -> MayflyError:
    if tree.keys() != {"code", "message", "hint"} or not all(isinstance(value, str) for value in tree.values()):
        raise ValueError("not an error")
    error = leaf_named(tree["code"])(tree["message"])
    error.hint = tree["hint"]
    return error


def _instant(value: Any) -> datetime | None:
    at = None if value is None else datetime.fromisoformat(value)
    if at is not None and at.utcoffset() is None:
        raise ValueError("an instant without a zone")
    return at and at.astimezone(UTC)


def _number(value: Any) -> float | None:
    # A NaN is not within anything.
    if value is not None and (type(value) not in {int, float} or not abs(value) <= _MOST_SECONDS):
        raise ValueError("not a number of ours")
    return None if value is None else float(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST_TIMES:
        raise ValueError("not a count of ours")
    return value


def _switch(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError("neither true nor false")
    return value
