"""Config texts for tests, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mayfly.config.document import Document
from mayfly.config.load import load_document
from mayfly.config.model import Config
from mayfly.shared.errors import ConfigInvalid


REFERENCES = {
    "access_key_id": "op://V/I/id",
    "secret_access_key": "op://V/I/secret",
    "otp": "op://V/I/totp",
    "mfa_id": "op://V/I/mfa",
}
ROLE_ARN = "arn:aws:iam::123456789012:role/Admin"


def keys(**more: Any) -> dict[str, Any]:
    """A profile with keys."""
    return REFERENCES | more


def role(source: str = "base", **more: Any) -> dict[str, Any]:
    """A profile with a role."""
    return {"source_profile": source, "role_arn": ROLE_ARN} | more


def document(tree: dict[str, Any], name: str = "config.toml") -> Document:
    """A document of exactly this tree, without a file."""
    found = Document(Path("/c") / name, b"{}" if name.endswith(".json") else b"")
    found.tree = tree
    return found


def loaded(tree: dict[str, Any]) -> Config:
    """The config of a sound tree."""
    return load_document(document(tree))


def problems(found: dict[str, Any] | Document) -> list[str]:
    """What stands against a tree or document, without the file's name; nothing if it is sound."""
    found = document(found) if isinstance(found, dict) else found
    try:
        load_document(found)
    except ConfigInvalid as refusal:
        return [line.removeprefix(f"{found.path}: ") for line in refusal.problems]
    return []


def of_key_profile(**more: Any) -> list[str]:
    """What stands against one profile with keys that has these values."""
    return problems({"profiles": {"p": keys(**more)}})


def of_role(**more: Any) -> list[str]:
    """What stands against one role on a sound profile that has these values."""
    return problems({"profiles": {"base": keys(), "p": role(**more)}})
