"""The config as it stands in its file: found, read once, and turned into one plain tree.

Judging it is `config`'s work; the commands that run in every shell start-up need only names and regions, and stop here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mayfly.errors import ConfigInvalid


Tree = dict[str, Any]


class Document:
    """A config file's `path`, its `raw` bytes, and its `tree` in the full form.

    `legacy_profile` is the profile's name where the file has the one-account shape `{"aws": {…}}`.
    """

    def __init__(self, path: Path, raw: bytes) -> None:
        self.path = path
        self.raw = raw
        self.legacy_profile: str | None = None
        self.tree = self._full_form(_parse(path, raw))

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes, in hex."""
        import hashlib

        return hashlib.sha256(self.raw).hexdigest()

    def tables(self, name: str) -> dict[str, Tree]:
        """The sub-tables called `name` (`profiles`); what is no table is left out."""
        found = self.tree.get(name)
        items = found.items() if isinstance(found, dict) else ()
        return {key: value for key, value in items if isinstance(value, dict)}

    def where(self, *keys: str) -> str:
        """`FILE: key`, in the words of the file as its owner wrote it."""
        if self.legacy_profile is not None and keys[:2] == ("profiles", self.legacy_profile):
            keys = ("aws", *keys[2:])
        return f"{self.path}: {'.'.join(keys)}" if keys else str(self.path)

    def _full_form(self, tree: Tree) -> Tree:
        account = tree.get("aws")
        if self.path.suffix != ".json" or not isinstance(account, dict):
            return tree
        name = account.get("org_id")
        if not isinstance(name, str):
            raise ConfigInvalid(f"{self.path}: aws.org_id: is missing: it names the profile")
        self.legacy_profile = name
        rest = {key: value for key, value in tree.items() if key != "aws"}
        profile = {key: value for key, value in account.items() if key != "org_id"}
        return rest | {"profiles": {name: profile}}


def read(path: Path) -> Document:
    """The document at `path`; raises ConfigInvalid where it cannot be read or parsed."""
    try:
        return Document(path, path.read_bytes())
    except FileNotFoundError:
        raise ConfigInvalid(f"{path}: there is no such file") from None
    except OSError as reason:
        raise ConfigInvalid(f"{path}: cannot be read: {reason.strerror}") from None


def _parse(path: Path, raw: bytes) -> Tree:
    try:
        text = raw.decode()
        tree = _parse_json(text) if path.suffix == ".json" else _parse_toml(text)
    except ValueError as reason:
        raise ConfigInvalid(f"{path}: is not {_kind(path)}: {reason}") from None
    if not isinstance(tree, dict):
        raise ConfigInvalid(f"{path}: is not a table at its top")
    return tree


def _kind(path: Path) -> str:
    return "JSON" if path.suffix == ".json" else "TOML"


def _parse_json(text: str) -> Any:
    import json

    return json.loads(text)


def _parse_toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)
