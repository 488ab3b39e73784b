"""The program `op`: where it is, and whether its version is new enough."""

from __future__ import annotations

import re

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mayfly.exchange.onepassword import windows_drive
from mayfly.exchange.onepassword.child import Child, Flooded, Hung
from mayfly.exchange.onepassword.environment import plain_environment
from mayfly.shared import programs
from mayfly.shared.errors import ConfigInvalid, OnePasswordMissing


if TYPE_CHECKING:
    from mayfly.config.model import Way

# The first that knows service accounts (1Password's documentation). The texts of its errors are known from 2.20 on.
OLDEST_VERSION = (2, 18)
VERSION_SECONDS = 5

USUAL_PLACES = ("/usr/bin/op", "/usr/local/bin/op", "/opt/homebrew/bin/op", "/opt/1Password/op")


def find_op(onepassword: Way, environ: Mapping[str, str], table: str = "onepassword") -> str:
    """The `op` to run: the configured one, or the first on PATH and in the usual places that nobody else can replace.

    An op.exe that is configured may be on a Windows drive, where Windows alone says who can replace it. `table` is the
    name of the table in the config. Raises OnePasswordMissing, or ConfigInvalid if another user could replace every
    `op` that is found.
    """
    is_exempt = windows_drive.exemption(onepassword.op) if onepassword.op else None
    try:
        return programs.place_of(onepassword.op or "op", environ, USUAL_PLACES, is_exempt=is_exempt)
    except programs.NotFound as reason:
        if reason.distrusted:
            raise ConfigInvalid(*(f"op at {line}" for line in reason.distrusted)) from None
        if onepassword.op:
            raise missing(str(reason), table) from None
        skipped = "".join(f"; skipped: {line}" for line in reason.skipped)
        raise missing(f"op, the 1Password CLI, is neither on PATH nor in the usual places{skipped}", table) from None


def missing(message: str, table: str) -> OnePasswordMissing:
    """The error for an `op` that is not there, or cannot be run."""
    return OnePasswordMissing(message, hint=f'install the 1Password CLI, or set op = "/path/to/op" in [{table}]')


def check_version(onepassword: Way, environ: Mapping[str, str], table: str = "onepassword") -> None:
    """Raise OnePasswordMissing for an `op` that is too old by its own word, and what `find_op` raises.

    The check costs a process, so it is for times when a code must be waited for anyway. An `op` that tells no version
    passes: whether it can do its work shows when it is asked for the values.
    """
    program = find_op(onepassword, environ, table)
    try:
        with Child(
            (program, "--version"), environment=plain_environment(environ), limit_seconds=VERSION_SECONDS
        ) as child:
            printed = child.printed()
    except OSError as reason:
        raise missing(f"{program} cannot be run: {reason.strerror}", table) from None
    except (Hung, Flooded):
        return
    found = re.match(rb"\s*(\d{1,4})\.(\d{1,4})\.", printed.stdout)
    if found and (int(found[1]), int(found[2])) < OLDEST_VERSION:
        raise too_old(f"op {int(found[1])}.{int(found[2])} at {program}", table)


def too_old(which: str, table: str) -> OnePasswordMissing:
    """The error for an `op` that cannot do what is asked of it."""
    oldest = ".".join(map(str, OLDEST_VERSION))
    return OnePasswordMissing(
        f"{which} is too old: mayfly needs {oldest} or later",
        hint=f"get a newer 1Password CLI, or name one by op in [{table}]",
    )
