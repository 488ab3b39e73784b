"""The table of events: what the daemon logs is listed, and nothing else is logged."""

from __future__ import annotations

import ast

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mayfly import daemon
from mayfly.daemon.log_events import EVENTS, UNLISTED, admitted


LEVELS = {"info", "warning", "error"}


def calls() -> Iterator[tuple[str, set[str]]]:
    """Every event that the daemon's code logs, with the fields of that call."""
    for file in Path(daemon.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr=level), args=[ast.Constant(value=str(event))]) if level in LEVELS:
                    yield event, {_field(keyword) for keyword in node.keywords}


def _field(keyword: ast.keyword) -> str:
    return "exception" if keyword.arg == "exc_info" else str(keyword.arg)


def test_every_event_is_listed_with_its_fields() -> None:
    """The table has each event that is logged, each field of it, and no other."""
    logged: dict[str, set[str]] = {}
    for event, fields in calls():
        logged.setdefault(event, set()).update(fields)

    assert logged == {event: set(fields) for event, fields in EVENTS.items()}


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"pid": 371946, "session_age_seconds": 0.5}, {"pid": 371946, "session_age_seconds": 0.5}),
        ({"pid": None, "program": None}, {"pid": None, "program": None}),
        ({"pid": "371946"}, {"pid": "[redacted]"}),
        ({"profile": "nsrc-production_Eu.1"}, {"profile": "nsrc-production_Eu.1"}),
        ({"profile": "the code is 371946"}, {"profile": "the code is [redacted]"}),
        ({"agent": 371946}, {"agent": "[redacted]"}),
        ({"program": b"curl\x1b", "agent": ["a"]}, {"program": "b'curl\\x1b'", "agent": "['a']"}),
    ],
)
def test_a_field_is_of_its_kind(facts: dict[str, Any], told: dict[str, Any]) -> None:
    """Numbers and names are told as they are; what does not fit its kind is redacted like any text."""
    assert {"event": "credentials.handed_out"} | told == admitted("credentials.handed_out", facts)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("ASIAIOSFODNN7EXAMPLE", "ASIA…MPLE"),
        ("ASIA" + "X7" * 20, "ASIA…X7X7"),
        ("no key, code 371946", "no key, code [redacted]"),
        (None, None),
    ],
)
def test_of_a_key_id_the_last_four_are_told(value: str | None, told: str | None) -> None:
    """However long AWS makes them."""
    assert told == admitted("session.refreshed", {"access_key_id": value})["access_key_id"]


def test_several_words_are_a_list_and_their_number_a_number() -> None:
    """Profiles are told by name where they are named."""
    assert ["a", "b"] == admitted("exchange.started", {"profiles": ("a", "b")})["profiles"]
    assert 2 == admitted("exchange.started", {"profiles": 2})["profiles"]


def test_a_field_that_is_not_listed_is_left_out() -> None:
    """Its name is told instead, and the rest of the event."""
    told = admitted("token.refused", {"profile": "nsrc", "token": "Zk3-secret", "raw": 371946})

    assert {"event": "token.refused", "profile": "nsrc", "unlisted": ["raw", "token"]} == told


def test_of_an_event_that_is_not_listed_only_the_name_is_told() -> None:
    """And the name without what looks like a secret."""
    assert {"event": UNLISTED, "name": "token.read"} == admitted("token.read", {"token": "Zk3-secret"})
    assert {"event": UNLISTED, "name": "code [redacted]"} == admitted("code 371946", {})
