"""Checks of JSON that comes from another process."""

from __future__ import annotations

from typing import Any


def object_of(tree: Any, keys: set[str]) -> dict[str, Any]:
    """`tree`, if it is an object with just these keys; else raises ValueError."""
    if not isinstance(tree, dict) or tree.keys() != keys:
        raise ValueError("not the expected object")
    return tree


def text_of(value: Any) -> str:
    """`value`, if it is a text; else raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
