"""Where the config is, as texts; `paths` has them as `Path`. Without pathlib, because every command starts here."""

from __future__ import annotations

import os

from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.pathnames import expanded, normal


CONFIG_NAMES = ("config.toml", "config.json")

MAKE_CONFIG = "make a config: mayfly init   (or see mayfly work without one: mayfly demo)"


def config_file(given: str | None = None) -> str:
    """The config in force: given, `$MAYFLY_CONFIG`, or the first that exists in the usual folder.

    Raises ConfigInvalid where there is none.
    """
    named = given or os.environ.get("MAYFLY_CONFIG")
    if named:
        return expanded(named)
    for place in config_places():
        if _exists(place):
            return place
    raise ConfigInvalid(f"{config_dir()}/config.toml: no config yet (config.json neither)", hint=MAKE_CONFIG)


def config_places(given: str | None = None) -> list[str]:
    """The places of a config, in the order in which they are tried. Empty for a name in the home of no user."""
    named = given or os.environ.get("MAYFLY_CONFIG")
    if not named:
        return [f"{config_dir()}/{name}" for name in CONFIG_NAMES]
    try:
        return [expanded(named)]
    except ConfigInvalid:
        return []


def _exists(place: str) -> bool:
    """Raises ConfigInvalid if nobody can tell: a config in a folder that may not be entered is not missing."""
    try:
        os.stat(place)
    except PermissionError as reason:
        raise ConfigInvalid(f"{place}: cannot be read: {reason.strerror}") from None
    except OSError:
        return False
    return True


def overlooked_config(given: str | None = None) -> str | None:
    """A line about a config.json that is not read, because config.toml stands beside it; None if that is not so."""
    if given or os.environ.get("MAYFLY_CONFIG"):
        return None
    first, second = (f"{config_dir()}/{name}" for name in CONFIG_NAMES)
    if not (os.path.exists(first) and os.path.exists(second)):
        return None
    return f"{second} is not read, because {os.path.basename(first)} stands beside it: remove one of them"


def config_dir() -> str:
    """`$XDG_CONFIG_HOME/mayfly`, by default `~/.config/mayfly`, on macOS too."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return normal(f"{base if base.startswith('/') else expanded('~/.config')}/mayfly")
