"""The part of the config that a shell needs: a profile, its port and its region.

Only `mayfly serve` checks the whole config. A profile's name is checked here too, because it goes into a URL and a
file's name, and so is a region, because it goes into a shell.
"""

from __future__ import annotations

import os

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from mayfly.cli import speech
from mayfly.cli.aws_config import regions
from mayfly.config import document
from mayfly.config.document import Document
from mayfly.config.profile_name import is_profile_name
from mayfly.config.region import region_of
from mayfly.shared import address, config_place
from mayfly.shared.errors import ConfigInvalid


class Target(NamedTuple):
    """A profile's name, the port of its endpoint on 127.0.0.1, and its region if it has one.

    `fallback_region` is for a shell that has no region.
    """

    profile: str
    port: int
    region: str | None = None
    fallback_region: str | None = None


def find(config: str | None, profile: str | None, environ: Mapping[str, str] | None = None) -> Target:
    """The target for `profile` (None: the one that `environ` names, or the only one) in `config` (None: the usual one).

    Raises Stop or ConfigInvalid if there is none.
    """
    found = document.read(config_place.config_file(config))
    name = _chosen(found, profile, environ or {})
    return Target(name, _port(found), region_of(found, name), regions.fallback(found, name))


def expected_port(config: str | None = None) -> int:
    """The port where our daemon is expected. Only `serve` tells the faults of the usual config.

    Raises ConfigInvalid if `config` is given and cannot be read.
    """
    configured = None
    if config or not os.environ.get("MAYFLY_LISTEN"):
        try:
            configured = document.read(config_place.config_file(config)).tree.get("listen")
        except ConfigInvalid:
            if config:
                raise
    with suppress(ValueError):
        return address.listen_address(None, configured if isinstance(configured, str) else None)[1]
    return address.default_address()[1]


def _chosen(found: Document, given: str | None, environ: Mapping[str, str]) -> str:
    """The profile that is given, else MAYFLY_PROFILE, else AWS_PROFILE if it is one of ours, else the only one.

    `environ` is empty where the environment does not count.
    """
    names = list(found.tables("profiles"))
    if not names:
        raise ConfigInvalid(f"{found.name}: has no profiles")
    of_aws = environ.get("AWS_PROFILE")
    by_shell = environ.get("MAYFLY_PROFILE") or (of_aws if of_aws in names else None)
    wanted = by_shell if given is None else given
    if wanted is None and len(names) > 1:
        raise speech.Stop(speech.WRONG_USAGE, f"which profile? {found.name} has {', '.join(names)}")
    name = names[0] if wanted is None else wanted
    if name not in names:
        raise _unknown(found, name, names, " (from MAYFLY_PROFILE)" if given is None else "")
    if not is_profile_name(name):
        raise ConfigInvalid(f"{found.where('profiles', name)}: is no profile name")
    return name


def _unknown(found: Document, name: str, names: list[str], source: str) -> speech.Stop:
    known = speech.did_you_mean(name, names) or f": it has {', '.join(names)}"
    return speech.Stop(speech.WRONG_USAGE, f"{found.name} has no profile {name!r}{source}{known}")


def _port(found: Document) -> int:
    configured = found.tree.get("listen")
    try:
        port = address.listen_address(None, None if configured is None else str(configured))[1]
    except ValueError as reason:
        raise ConfigInvalid(f"MAYFLY_LISTEN or {found.where('listen')}: {reason}") from None
    if port == 0:
        raise ConfigInvalid(f"MAYFLY_LISTEN or {found.where('listen')}: port 0 is another one each time")
    return port
