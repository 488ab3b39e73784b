"""All classes of errors that are raised, by their names: those that have no class below them."""

from __future__ import annotations

from mayfly.shared.errors import aws, onepassword, ours  # noqa: F401 - a class is below its parent once it is made
from mayfly.shared.errors.base import MayflyError


def leaf_named(code: str) -> type[MayflyError]:
    """The leaf called `code`; raises KeyError where there is none."""
    return {leaf.__name__: leaf for leaf in leaves(MayflyError)}[code]


def leaves(root: type[MayflyError]) -> list[type[MayflyError]]:
    """Every class below `root` that has none below itself, once."""
    below = root.__subclasses__()
    return list(dict.fromkeys(leaf for child in below for leaf in leaves(child))) if below else [root]
