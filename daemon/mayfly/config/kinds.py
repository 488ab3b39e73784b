"""The kinds of values, in words. No message repeats a value: it might be a secret in the wrong place."""

from __future__ import annotations

from typing import Any, NewType


Text = NewType("Text", str)

_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a fraction"),
    (list, "a list"),
    (dict, "a table"),
    (type(None), "null"),
)


def kind_of(value: Any) -> str:
    """The name of such a value in TOML and JSON, with the article."""
    if isinstance(value, str):
        return "a text" if value.strip() else "an empty text"
    # TOML has no others than dates and times.
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "a date or time")


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


def is_role(profile: dict[str, Any]) -> bool:
    """True for a table with source_profile or role_arn; where one is missing, the problem names the right key."""
    return not {"source_profile", "role_arn"}.isdisjoint(profile)


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
