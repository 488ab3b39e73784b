"""Accounts, items and fields of 1Password as `init` knows them: names and shapes, no value of a field. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Account(NamedTuple):
    """An account that `op` knows: its sign-in address, the person's email, and the IDs that `op --account` takes."""

    url: str
    email: str
    user_id: str
    account_id: str
    shorthand: str

    @property
    def name(self) -> str:
        """What `op --account` is given for this account; "" if it has no name."""
        return self.user_id or self.account_id or self.shorthand or self.url

    @property
    def shown(self) -> str:
        """The account in words."""
        return f"{self.email} at {self.url}" if self.email else self.url

    def is_called(self, name: str) -> bool:
        """True if `op --account NAME` would mean this account."""
        return bool(name) and name.casefold() in {part.removeprefix("https://").casefold() for part in self}


class Overview(NamedTuple):
    """An item without its fields, as `op item list` has it."""

    id: str
    title: str
    vault_id: str
    vault: str
    category: str
    tags: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    edited_at: str = ""

    @property
    def shown(self) -> str:
        """The item in words."""
        category = self.category.replace("_", " ").lower()
        return f"{self.title}  ({', '.join(filter(None, (f'vault {self.vault}', category)))})"

    @property
    def reference(self) -> str:
        """`op://vault/item` by IDs."""
        return f"op://{self.vault_id}/{self.id}"


class Field(NamedTuple):
    """A field: 1Password's ID, label, section and type, and the shape of its value."""

    id: str
    label: str
    section_id: str
    section: str
    type: str
    shape: str

    @property
    def shown(self) -> str:
        """The field in words."""
        return " / ".join(filter(None, (self.section, self.label or self.id)))

    @property
    def path(self) -> str:
        """`section/label`, by which an option can name the field."""
        return "/".join(filter(None, (self.section, self.label or self.id)))


class Item(NamedTuple):
    """An item with its fields."""

    overview: Overview
    fields: tuple[Field, ...]


def accounts_from(tree: list[Mapping[str, Any]]) -> list[Account]:
    """The accounts in the reader's answer."""
    return [Account(**row) for row in tree]


def overviews_from(tree: list[Mapping[str, Any]]) -> list[Overview]:
    """The items in the reader's answer."""
    return [_overview(row) for row in tree]


def item_from(tree: Mapping[str, Any]) -> Item:
    """The item in the reader's answer."""
    return Item(_overview(tree["overview"]), tuple(Field(**row) for row in tree["fields"]))


def _overview(row: Mapping[str, Any]) -> Overview:
    return Overview(**{**row, "tags": tuple(row["tags"]), "urls": tuple(row["urls"])})
