"""Sessions as bytes, to be kept over a restart of the daemon, and back.

Laws: (1) pure; (2) of another format, version or shape nothing is taken over: it is dropped, not guessed at; (3) a
session goes back only to what it was made from: every one carries the digest of that, its origin.
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mayfly.session import Session
from mayfly.shared import wire


FORMAT = "mayfly-sessions-1"

_INSTANTS = ("issued_at", "last_fetched_at")
_NUMBERS = ("skew_seconds", "jitter_seconds", "alarmed_seconds")

# No number of ours comes near a year; and beyond some, instants cannot be reckoned with.
_MOST_SECONDS = 366 * 24 * 3600


class StoredSession(NamedTuple):
    """A session, and the digest of what it was made from."""

    origin: str
    session: Session


def pack(sessions: Mapping[str, StoredSession]) -> bytes:
    """Every session that has credentials, by its name; b"" where there is none."""
    rows = {name: _row(kept) for name, kept in sessions.items() if kept.session.credentials}
    return json.dumps({"format": FORMAT, "sessions": rows}, separators=(",", ":")).encode() if rows else b""


def unpack(raw: bytes) -> dict[str, StoredSession]:
    """The inverse of `pack`; nothing for whatever is not exactly what `pack` makes."""
    try:
        tree = json.loads(raw) if raw else {}
        if tree.get("format") != FORMAT or tree.keys() != {"format", "sessions"}:
            return {}
        return {name: _kept(row) for name, row in tree["sessions"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return {}


def _row(kept: StoredSession) -> dict[str, Any]:
    session = kept.session
    assert session.credentials is not None  # noqa: S101 - for mypy: only such are packed
    instants = {name: at.isoformat() if (at := getattr(session, name)) else None for name in _INSTANTS}
    numbers = {name: getattr(session, name) for name in _NUMBERS}
    return {"origin": kept.origin, "credentials": wire.credentials_tree(session.credentials)} | instants | numbers


def _kept(row: Any) -> StoredSession:
    if row.keys() != {"origin", "credentials", *_INSTANTS, *_NUMBERS} or not isinstance(row["origin"], str):
        raise ValueError("not a session")
    facts: dict[str, Any] = {name: _instant(row[name]) for name in _INSTANTS}
    facts |= {name: _number(row[name]) for name in _NUMBERS}
    if facts["issued_at"] is None or facts["skew_seconds"] is None or facts["jitter_seconds"] is None:
        raise ValueError("not a session")
    # An earlier process's clock may have run ahead of the wall's, which ours starts from. An AWS that is "behind"
    # would then lengthen the life, so that is measured anew.
    facts["skew_seconds"] = max(0.0, facts["skew_seconds"])
    return StoredSession(row["origin"], Session(credentials=wire.parse_credentials(row["credentials"]), **facts))


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
