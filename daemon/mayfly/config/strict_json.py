"""JSON in which every object has each key once, and every number is one."""

from __future__ import annotations

import json

from typing import Any, NoReturn


class DoubledKey(ValueError):
    """An object has `key` twice: most readers keep one of the two, and AWS refuses both."""

    def __init__(self, key: str) -> None:
        super().__init__("has a key twice in one object")
        self.key = key


def parse(text: str) -> Any:
    """The value in `text`; raises DoubledKey, json.JSONDecodeError, another ValueError, or RecursionError."""
    return json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_number)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        keys = [key for key, _ in pairs]
        raise DoubledKey(next(key for key in keys if keys.count(key) > 1))
    return tree


def _no_number(name: str) -> NoReturn:
    """For NaN and the infinities, which Python's parser takes and JSON does not have (RFC 8259, section 6)."""
    raise ValueError(f"{name} is no number there")
