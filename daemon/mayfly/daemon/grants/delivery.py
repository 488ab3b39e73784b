"""How a grant reaches what the endpoint does not: a socket in a folder, or a file with credentials."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

from mayfly.daemon.grants.table import Grant
from mayfly.shared.credentials import Credentials


class Paths(NamedTuple):
    """What was made for a grant."""

    socket: str | None = None
    folder: str | None = None
    config_file: str | None = None
    credentials_file: str | None = None


class Delivery(Protocol):
    """Makes and removes what a grant with `as` socket or file needs. Never blocks the loop."""

    async def open(self, grant: Grant) -> Paths:
        """Make it, or take it up again after a restart; raises a MayflyError if that is impossible."""

    async def renewed(self, grant: Grant, credentials: Credentials) -> None:
        """The grant has new credentials: for a file, write them."""

    async def close(self, grant: Grant) -> None:
        """Remove it."""

    async def sweep(self, known: Collection[str]) -> None:
        """Remove what an earlier process has left of grants that are not `known`."""
