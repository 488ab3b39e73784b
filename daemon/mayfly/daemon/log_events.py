"""The events of the daemon, and the fields of each. No other event and no other field reaches the log or `/events`.

To add an event, or a field to one: add a line to EVENTS and choose a kind for each field.

- `number`: a number, a truth value or None
- `word`: a name from the config, or a constant of ours (an error's code, a cause, a version)
- `words`: several of them, or their number
- `key_id`: an access key id; its last four are shown
- `text`: anything else. Only these pass the redaction: all text that a library, a program or a person wrote

`exc_info` becomes the field `exception`. A test compares the table with every call in the daemon. At run time an
unlisted field is left out and named in `unlisted`; of an unlisted event only the name is logged, as `log.unlisted`.
The log itself adds `level`, `timestamp` and `dropped` (log_writer).
"""

from __future__ import annotations

import re

from collections.abc import Callable, Mapping
from typing import Any

from mayfly.daemon.redaction import redacted, shortened


Kind = Callable[[Any], Any]

# Profile names (config/values.py), codes, causes, versions and addresses. A word as long as a key or a token, or as
# short as a one-time password, goes through the redaction like any text.
_WORD = re.compile(r"(?!ops_|[0-9]{6}$)[A-Za-z0-9._:+-]{1,39}")
_KEY_ID = re.compile(r"[A-Z0-9]{16,128}")


def text(value: Any) -> Any:
    """Anything, as a text without secrets. None stays None."""
    return None if value is None else redacted(value if isinstance(value, str) else str(value))


def number(value: Any) -> Any:
    """A number, a truth value or None. Anything else is text."""
    return value if isinstance(value, int | float | None) else text(value)


def word(value: Any) -> Any:
    """A name from the config, or a constant of ours. Anything else is text."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else text(value)


def words(value: Any) -> Any:
    """Several words, or their number."""
    return [word(one) for one in value] if isinstance(value, list | tuple | set | frozenset) else number(value)


def key_id(value: Any) -> Any:
    """The last four of an access key id. Anything else is text."""
    return shortened(value) if isinstance(value, str) and _KEY_ID.fullmatch(value) else text(value)


EVENTS: dict[str, dict[str, Kind]] = {
    "agent.refused": {"profile": word, "acting_agent": text, "pid": number},
    "approval.wanted": {"profile": word, "label": word, "inode": number, "pid": number},
    "audit.limited": {"times": number},
    "client.refused": {"profile": word, "code": word, "reason": text, "hint": text},
    "config.refused": {"reason": text},
    "config.reloaded": {"path": text, "profiles": number},
    "credentials.handed_out": {
        "profile": word,
        "grant": word,
        "label": word,
        "pid": number,
        "program": text,
        "agent": text,
        "acting_agent": text,
        "session_age_seconds": number,
    },
    "daemon.draining": {},
    "daemon.outdated": {"version": word},
    "daemon.started": {"address": word, "version": word, "pid": number},
    "daemon.stopped": {},
    "exchange.stage_reached": {"stage": word, "profiles": words, "left_seconds": number},
    "exchange.started": {"kind": word, "profiles": words},
    "grant.allowed": {"grant": word, "label": word, "profile": word},
    "grant.asked": {"grant": word, "label": word, "profile": word, "program": text},
    "grant.denied": {"grant": word, "label": word, "profile": word},
    "grant.ended": {"grant": word, "label": word, "profile": word, "cause": text},
    "grant.made": {
        "grant": word,
        "label": word,
        "profile": word,
        "narrowing": text,
        "delivery": word,
        "lasts_seconds": number,
        "asks": number,
        "pid": number,
    },
    "grant.withheld": {"grant": word, "label": word, "profile": word},
    "grants.ignored": {"reason": text},
    "grants.unsaved": {"reason": text},
    "login.withheld": {"profile": word},
    "grant.folder_left": {"grant": word, "reason": text},
    "grant.unwritten": {"grant": word, "label": word, "reason": text},
    "library.warned": {"library": word, "text": text},
    "prompt.failed": {"reason": text},
    "request.failed": {"exception": text},
    "request.refused": {"cause": word, "times": number},
    "session.ending": {"profile": word, "left_seconds": number},
    "session.forgotten": {"profile": word, "cause": word},
    "session.recalled": {"profile": word},
    "session.refresh_failed": {
        "profile": word,
        "code": word,
        "reason": text,
        "retry_after_seconds": number,
        "failures": number,
        "in_use": number,
    },
    "session.refreshed": {
        "profile": word,
        "access_key_id": key_id,
        "expires_in_seconds": number,
        "skew_seconds": number,
    },
    "session.rejected": {"profile": word, "code": word},
    "session.unverified": {"profile": word, "code": word},
    "task.failed": {"exception": text},
    "token.refused": {"profile": word, "reason": text},
}

UNLISTED = "log.unlisted"


def admitted(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The event as the log and other listeners get it: `{"event": name, …fields}`."""
    kinds = EVENTS.get(event)
    if kinds is None:
        return {"event": UNLISTED, "name": text(event)}
    line = {"event": event} | {name: kinds[name](value) for name, value in facts.items() if name in kinds}
    unlisted = sorted(facts.keys() - kinds.keys())
    return line | ({"unlisted": [text(name) for name in unlisted]} if unlisted else {})
