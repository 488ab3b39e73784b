"""Delivery to clients that cannot reach the endpoint: by a socket in a folder, or by a file with credentials."""

from __future__ import annotations

import errno
import shlex

from collections.abc import Collection
from typing import NamedTuple, Protocol

from mayfly.daemon.grants.table import Grant
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import GrantUndelivered
from mayfly.shared.text import failure_words


_FULL = (errno.ENOSPC, errno.EDQUOT)


def undelivered(what: str, reason: OSError, folder: str) -> GrantUndelivered:
    """The error for a part of a grant (`what`: `the grant's folder PATH`) that cannot be made in the runtime folder."""
    named = shlex.quote(folder)
    hint = f"make room there: df -h {named}; df -i {named}" if reason.errno in _FULL else ""
    return GrantUndelivered(f"{what}: {failure_words(reason)}", hint=hint)


class Paths(NamedTuple):
    """The paths that were made for a grant; None for what its delivery does not have."""

    socket: str | None = None
    folder: str | None = None
    config_file: str | None = None
    credentials_file: str | None = None


class Delivery(Protocol):
    """Makes and removes what a grant with `as` socket or file needs. Never blocks the loop."""

    async def open(self, grant: Grant) -> Paths:
        """Make the socket or files, or take them up again after a restart; raises a MayflyError if it cannot."""

    async def renewed(self, grant: Grant, credentials: Credentials) -> None:
        """The grant has new credentials: for a file, write them."""

    async def take_away(self, grant: Grant) -> bool:
        """The file must not be read for now: remove it, until `renewed` writes it anew. True if there was one."""

    async def close(self, grant: Grant) -> None:
        """Remove the socket or files."""

    async def sweep(self, known: Collection[str]) -> None:
        """Remove the folders that an earlier process has left of grants that are not `known`."""
