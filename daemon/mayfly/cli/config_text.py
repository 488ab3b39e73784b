"""The config as TOML, with comments beside its values: what `init` and `import-aws-config` write. Pure."""

from __future__ import annotations

import json
import re
import tomllib

from collections.abc import Iterable, Iterator, Mapping

from mayfly.shared.text import printable


# A value in the config, as TOML has it.
Value = str | int | list[str] | dict[str, str]

HEAD = """\
# Mayfly's config: references to 1Password, no secret. docs/config.md explains every key.
# After a change: mayfly reload
"""


def table(
    keys: Iterable[str], values: Mapping[str, Value], comments: Mapping[str, str] | None = None, *above: str
) -> str:
    """A table of the config; `comments` are about single values, and `above` is about all of them."""
    values, comments = dict(values), comments or {}
    width = max(map(len, values))
    lines = [f"{key:<{width}} = {_value(value)}{_comment(comments.get(key))}" for key, value in values.items()]
    notes = [f"# {printable(line)}" for line in above if line]
    return "\n".join([*notes, f"[{'.'.join(map(_key, keys))}]", *lines, ""])


def _comment(text: str | None) -> str:
    return f"  # {printable(text)}" if text else ""


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _value(value: Value) -> str:
    """A number, a basic string, or these in brackets; what cannot be printed stands there as an escape sequence."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        pairs = (f"{_value(key)} = {_value(one)}" for key, one in value.items())
        return f"{{ {', '.join(pairs)} }}"
    text = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in text)


def added(old: str, tables: Iterable[str]) -> str:
    """The text with tables at its end."""
    parts = [old if old.endswith("\n") or not old else f"{old}\n", *tables]
    return "\n".join(part for part in parts if part)


def without(old: str, profile: str) -> str:
    """The text without the table of a profile, its sub-tables, and the comments directly above each."""
    lines = old.splitlines(keepends=True)
    heads = [(place, keys) for place in range(len(lines)) if (keys := _header(lines, place))]
    starts = [_with_comments(lines, place) for place, _ in heads]
    ours = [
        range(start, end)
        for start, end, (_, keys) in zip(starts, [*starts, len(lines)][1:], heads, strict=True)
        if keys[:2] == ["profiles", profile]
    ]
    return "".join(line for place, line in enumerate(lines) if not any(place in part for part in ours))


def _with_comments(lines: list[str], place: int) -> int:
    """The place of the first comment of those that end directly above the line at `place`."""
    while place and lines[place - 1].lstrip().startswith("#"):
        place -= 1
    return place


def _header(lines: list[str], place: int) -> list[str]:
    """The keys of a line that begins a table; none for any other line, such as one inside a text of several lines."""
    if not lines[place].lstrip().startswith("["):
        return []
    try:
        tomllib.loads("".join(lines[:place]))
        return list(_first_keys(tomllib.loads(lines[place])))
    except tomllib.TOMLDecodeError:
        return []


def _first_keys(tree: object) -> Iterator[str]:
    while isinstance(tree, dict) and tree:
        key, tree = next(iter(tree.items()))
        yield key
