"""Paths as texts: the little of pathlib that every command needs, because importing pathlib costs 5 ms."""

from __future__ import annotations

import os

from mayfly.shared.errors import ConfigInvalid


TYPE_CHECKING = False  # typing costs as much as pathlib
if TYPE_CHECKING:
    AnyPath = str | os.PathLike[str]


def normal(path: AnyPath) -> str:
    """The path without empty parts and dots. A `..` stays, because what is before it may be a link."""
    text = os.fspath(path)
    # POSIX keeps a root of two slashes apart from one.
    root = "//" if text.startswith("//") and not text.startswith("///") else text[: text.startswith("/")]
    return (root + "/".join(part for part in text.split("/") if part not in {"", "."})) or "."


def absolute(path: AnyPath) -> str:
    """The path from the root on, `normal`."""
    text = os.fspath(path)
    return normal(text if text.startswith("/") else os.path.join(os.getcwd(), text))


def expanded(named: str) -> str:
    """The path from the root on, with the home for a leading `~`; raises ConfigInvalid if there is no such user."""
    path = os.path.expanduser(named)
    if path.startswith("~/") or path == "~":
        # Without HOME the home is that of the password database, in which a container's user may be missing.
        raise ConfigInvalid(f"{named}: your user has no home here: export HOME=/a/folder/of/yours")
    if path.startswith("~"):
        raise ConfigInvalid(f"{named}: there is no such user's home")
    return absolute(path)


def home() -> str:
    """This user's home; raises ConfigInvalid if there is none."""
    return expanded("~")
