"""The JSON of `op`, cut down to names and shapes. Pure. It runs in the reader only.

Law: of a field's value only the shape is taken. A label that repeats a secret of its item is dropped.
Sources: recorded outputs of op 2.18 to 2.39; a field without a value has no `value`, and most keys may be missing.
"""

from __future__ import annotations

import json

from collections.abc import Iterable, Mapping
from typing import Any

from mayfly.cli.init.items import Account, Field, Item, Overview
from mayfly.cli.init.shapes import is_telling, shape_of
from mayfly.shared.errors import OnePasswordGarbled


MAX_CHARACTERS = 300
_SECRET_TYPES = {"CONCEALED", "OTP"}
# Shorter texts stand in labels by chance.
_LEAST_SECRET = 6


def parsed(printed: bytes) -> Any:
    """The JSON document; raises OnePasswordGarbled for anything else."""
    try:
        return json.loads(printed)
    except (ValueError, RecursionError):
        raise _garbled() from None


def accounts(tree: Any) -> list[Account]:
    """The accounts of `op account list` that `op --account` can be given; raises OnePasswordGarbled."""
    found = [
        Account(
            url=_text(row, "url"),
            email=_text(row, "email"),
            user_id=_text(row, "user_uuid"),
            account_id=_text(row, "account_uuid"),
            shorthand=_text(row, "shorthand"),
        )
        for row in _listed(tree)
    ]
    return [account for account in found if account.name]


def overviews(tree: Any) -> list[Overview]:
    """The items of `op item list` that have an ID; raises OnePasswordGarbled."""
    found = [_overview(row) for row in _listed(tree)]
    return [overview for overview in found if overview.id and overview.vault_id]


def item(tree: Any) -> Item:
    """The item of `op item get`; raises OnePasswordGarbled."""
    if not isinstance(tree, dict):
        raise _garbled()
    overview, rows = _overview(tree), _rows(tree.get("fields") or [])
    if not overview.id or not overview.vault_id:
        raise _garbled()
    secrets = list(_secrets(rows))
    return Item(overview, tuple(_field(row, secrets) for row in rows if _text(row, "id")))


def value_of(tree: Any, field_id: str, section_id: str) -> str:
    """The value of one field, for the reader itself; "" if there is none."""
    for row in _rows(tree.get("fields") if isinstance(tree, dict) else None):
        if (_text(row, "id"), _text(_table(row, "section"), "id")) == (field_id, section_id):
            value = row.get("value")
            return value if isinstance(value, str) else ""
    return ""


def _overview(row: Mapping[str, Any]) -> Overview:
    vault = _table(row, "vault")
    return Overview(
        id=_text(row, "id"),
        title=_text(row, "title"),
        vault_id=_text(vault, "id"),
        vault=_text(vault, "name") or _text(vault, "id"),
        category=_text(row, "category"),
        tags=tuple(tag[:MAX_CHARACTERS] for tag in row.get("tags") or () if isinstance(tag, str)),
        urls=tuple(_text(url, "href") for url in row.get("urls") or () if isinstance(url, dict)),
        edited_at=_text(row, "updated_at"),
    )


def _field(row: Mapping[str, Any], secrets: list[str]) -> Field:
    section = _table(row, "section")
    kind = _text(row, "type")
    return Field(
        id=_text(row, "id"),
        label=_untelling(_text(row, "label"), secrets),
        section_id=_text(section, "id"),
        section=_untelling(_text(section, "label"), secrets),
        type=kind,
        shape=shape_of(kind, row.get("value") or row.get("totp")),
    )


def _secrets(rows: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for row in rows:
        value = row.get("value")
        is_secret = _text(row, "type").upper() in _SECRET_TYPES
        if isinstance(value, str) and is_secret and len(value) >= _LEAST_SECRET:
            yield value


def _untelling(name: str, secrets: list[str]) -> str:
    is_told = is_telling(name) or any(secret in name for secret in secrets)
    return "" if is_told else name


def _listed(tree: Any) -> list[Mapping[str, Any]]:
    """The rows of a list; a Go program prints one that was never filled as null."""
    return [] if tree is None else _rows(tree)


def _rows(tree: Any) -> list[Mapping[str, Any]]:
    if not isinstance(tree, list) or not all(isinstance(row, dict) for row in tree):
        raise _garbled()
    return tree


def _table(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = row.get(key)
    return found if isinstance(found, dict) else {}


def _text(row: Mapping[str, Any], key: str) -> str:
    found = row.get(key)
    return found[:MAX_CHARACTERS] if isinstance(found, str) else ""


def _garbled() -> OnePasswordGarbled:
    return OnePasswordGarbled("op printed something else than it was asked for", hint="update op, and try again")
