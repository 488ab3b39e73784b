"""The kinds of values, in words. No message repeats a value: it might be a secret in the wrong place."""

from __future__ import annotations

import datetime

from typing import Any, NewType


Text = NewType("Text", str)

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a fraction"),
    (list, "a list"),
    (dict, "a table"),
    ((datetime.date, datetime.time), "a date or time"),
    (type(None), "null"),
)


def kind_of(value: Any) -> str:
    """The name of such a value in TOML and JSON, with the article."""
    if isinstance(value, str):
        return "a text" if value.strip() else "an empty text"
    return next(name for kind, name in _KINDS if isinstance(value, kind))


def text(value: Any) -> Text:
    """One line that is not blank: it may go into an argument vector, to a terminal or into a log."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be a text, not {kind_of(value)}")
    if not value.isprintable():
        raise ValueError("must be one line without control characters")
    return Text(value)


def table(value: Any) -> dict[str, Any]:
    """A table of keys and values."""
    if not isinstance(value, dict):
        raise ValueError(f"must be a table, not {kind_of(value)}")
    return value


def array(value: Any) -> list[Any]:
    """A list. A text is none, though Python can iterate over it."""
    if not isinstance(value, list):
        raise ValueError(f"must be a list, not {kind_of(value)}")
    return value


def present(value: Any) -> Any:
    """Anything but JSON's null, which could mean "none" or "the default"."""
    if value is None:
        raise ValueError("is null: give it a value, or leave it out")
    return value
