"""The config file, read once and parsed into one plain tree.

load.py checks the tree. The commands of a shell start-up need only names and regions, so they use the document alone.
"""

from __future__ import annotations

import os

from typing import TYPE_CHECKING, Any

from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.files import NotPlain, TooLarge, read_plain_file


if TYPE_CHECKING:
    from pathlib import Path

    from mayfly.shared.pathnames import AnyPath

Tree = dict[str, Any]

MAX_BYTES = 1024 * 1024


class Document:
    """A config file's `name` (its path as text), its `raw` bytes, and its `tree` in the full form.

    `legacy_profile` is the profile's name if the file has the one-account shape `{"aws": {…}}`; "" if it names none.
    """

    def __init__(self, path: AnyPath, raw: bytes) -> None:
        self.name = os.fspath(path)
        self.raw = raw
        self.legacy_profile: str | None = None
        self.tree = self._full_form(_parse(self.name, raw))

    @property
    def path(self) -> Path:
        """The file's place."""
        from pathlib import Path  # not for each shell start-up

        return Path(self.name)

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes, in hex."""
        import hashlib

        return hashlib.sha256(self.raw).hexdigest()

    def tables(self, name: str) -> dict[str, Tree]:
        """The tables inside the table `name` (`profiles`), without entries that are no table or have no name."""
        found = self.tree.get(name)
        items = found.items() if isinstance(found, dict) else ()
        return {key: value for key, value in items if key and isinstance(value, dict)}

    def where(self, *keys: str | int) -> str:
        """`FILE: key`, with the key as the file's owner wrote it; a number is a position in a list."""
        if self.legacy_profile is not None and keys[:2] == ("profiles", self.legacy_profile):
            keys = ("aws", *(keys[2:] or ("org_id",)))
        shown = "".join(map(_shown, keys)).removeprefix(".")
        return f"{self.name}: {shown}" if keys else self.name

    def _full_form(self, tree: Tree) -> Tree:
        if not _is_json(self.name) or "aws" not in tree:
            return tree
        account = tree["aws"]
        if not isinstance(account, dict):
            raise ConfigInvalid(f"{self.name}: aws: must be a table")
        if "profiles" in tree:
            raise ConfigInvalid(f"{self.name}: aws: cannot stand beside profiles: make it one of them")
        name = account.get("org_id")
        self.legacy_profile = name if isinstance(name, str) else ""
        rest = {key: value for key, value in tree.items() if key != "aws"}
        profile = {key: value for key, value in account.items() if key != "org_id"}
        return rest | {"profiles": {self.legacy_profile: profile}}


def _shown(key: str | int) -> str:
    """A key as TOML would write it behind another."""
    if isinstance(key, int):
        return f"[{key}]"
    if key.isascii() and key.replace("-", "").replace("_", "").isalnum():
        return f".{key}"
    import json

    return f".{json.dumps(key)}"


def read(path: AnyPath) -> Document:
    """The document at `path`; raises ConfigInvalid where it cannot be read or parsed."""
    try:
        return Document(path, read_plain_file(path, MAX_BYTES))
    except FileNotFoundError:
        raise ConfigInvalid(f"{path}: there is no such file") from None
    except NotPlain as reason:
        # Each exchange reads the config again, and a pipe can be read once.
        raise ConfigInvalid(f"{path}: {reason}: the config must be a plain file") from None
    except TooLarge as reason:
        raise ConfigInvalid(f"{path}: {reason}") from None
    except OSError as reason:
        raise ConfigInvalid(f"{path}: cannot be read: {reason.strerror}") from None


def _parse(path: str, raw: bytes) -> Tree:
    kind, parse = ("JSON", _parse_json) if _is_json(path) else ("TOML", _parse_toml)
    try:
        tree = parse(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as reason:
        line = raw.count(b"\n", 0, reason.start) + 1
        raise ConfigInvalid(f"{path}: is not UTF-8 (at line {line})") from None
    except ValueError as reason:
        # Of a number beyond int's limit Python says how a program could allow it.
        is_long = "set_int_max_str_digits" in str(reason)
        raise ConfigInvalid(f"{path}: is not {kind}: {'a number is too long' if is_long else reason}") from None
    except RecursionError:
        raise ConfigInvalid(f"{path}: is nested too deep") from None
    if not isinstance(tree, dict):
        raise ConfigInvalid(f"{path}: is not a table at its top")
    return tree


def _is_json(path: str) -> bool:
    return os.path.splitext(path)[1] == ".json"


def _parse_json(text: str) -> Any:
    from mayfly.config import strict_json

    try:
        return strict_json.parse(text)
    except strict_json.DoubledKey as reason:
        raise ValueError(f"{_shown(reason.key).removeprefix('.')} stands twice in one object") from None


def _parse_toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)
