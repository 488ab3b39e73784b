"""The grants that the daemon has, as the commands about them find, choose and show them."""

from __future__ import annotations

import json

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mayfly.cli import daemon_calls, speech
from mayfly.cli.durations import format_duration
from mayfly.cli.grant.granted import checked_id, instant
from mayfly.shared.text import printable


# In the order of `mayfly grants --json`.
KEYS = ("id", "label", "profile", "narrowing", "as", "ends_at", "uses", "last_used_by", "last_used_at")

# States in which a grant gives nothing, in words.
STATES = {"asking": "waits for a yes", "denied": "refused"}

HOW_TO_MAKE = "mayfly grant PROFILE --read-only -- CMD"


class Row(NamedTuple):
    """A grant; `tree` is what the daemon tells of it."""

    id: str
    label: str
    profile: str
    tree: dict[str, Any]

    def narrowing(self) -> str:
        """What it may do, in words."""
        return str(self.tree.get("narrowing") or "not narrowed")

    def seconds_left(self, now: datetime) -> float:
        """Until its end."""
        with daemon_calls.understood():
            return (instant(self.tree["ends_at"]) - now).total_seconds()

    def last_used_by(self) -> str:
        """The program that used it last, or asked for it; "" if none has."""
        return str(self.tree.get("last_used_by") or "")

    def state(self) -> str:
        """In words, if the grant gives nothing now; else ""."""
        return STATES.get(str(self.tree.get("state")), "")

    def called(self) -> str:
        """`1a2b3c4d (claude)`, printable."""
        return printable(f"{self.id} ({self.label})")


class Revoked(NamedTuple):
    """A grant that has ended. `session_name` is that of a session which nobody else has, or None."""

    row: Row
    session_name: str | None
    outlives_until: datetime | None


def ask() -> list[Row]:
    """All grants; raises Stop."""
    body = daemon_calls.ask("GET", "/grants")
    with daemon_calls.understood():
        found = json.loads(body)
        return [Row(checked_id(tree["id"]), str(tree["label"]), str(tree["profile"]), dict(tree)) for tree in found]


def choose(rows: Sequence[Row], name: str) -> Row:
    """The grant with this ID, else the only one with this label; raises Stop."""
    found = [row for row in rows if row.id == name] or [row for row in rows if row.label == name]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(f"{row.id} ({row.profile})" for row in found)
        hint = "say which by its id: mayfly grants shows them"
        raise speech.Stop(speech.WRONG_USAGE, f"{len(found)} grants are called {name}: {ids}", hints=(hint,))
    near = speech.did_you_mean(name, [word for row in rows for word in (row.id, row.label)])
    hints = () if near else ("mayfly grants lists those that there are",)
    raise speech.Stop(speech.WRONG_USAGE, f"there is no grant {name[:64]!r}{near}", hints=hints)


def described(row: Row, now: datetime) -> str:
    """`claude (1a2b3c4d) wants admin, read-only, for 59m 58s`: what a person says yes or no to."""
    rest = format_duration(row.seconds_left(now))
    return f"{row.label} ({row.id}) wants {row.profile}, {row.narrowing()}, for {rest}"


def now() -> datetime:
    """This machine's time, in the user's zone."""
    return datetime.now(UTC).astimezone()
