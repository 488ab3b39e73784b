"""Variables of this shell by which a person's own `op` works, named where the daemon's `op` was refused without them.

The daemon has an environment of its own, and its `op` gets no such variable.
"""

from __future__ import annotations

import os

from collections.abc import Callable
from pathlib import Path

from mayfly.exchange.onepassword.environment import IN_PLACE, overlooked
from mayfly.shared.errors import ConfigInvalid


def hints(profile: str, code: str, told: str, *, config_path: Callable[[], Path]) -> list[str]:
    """A hint for each variable of this shell that the config has nothing for, after an error with this code.

    Those that the daemon's own hint `told` names already are left out. `config_path` asks the daemon for the path
    of its config, and raises Stop if the daemon does not answer.
    """
    if not any(os.environ.get(name) for name in IN_PLACE):
        return []
    from mayfly.config.load import load
    from mayfly.exchange.onepassword.refusals import OF_THE_ACCOUNT

    if code not in {error.__name__ for error in OF_THE_ACCOUNT}:
        return []
    try:
        config = load(config_path())
        way, keys = config.onepassword_of(profile), config.keys_of(profile)
    except (ConfigInvalid, KeyError):
        return []
    table = f"onepasswords.{keys.onepassword}" if keys.onepassword else "onepassword"
    lines = overlooked(way, os.environ, table, "of this shell")
    return [line for line in lines if line.partition(" ")[0] not in told]
