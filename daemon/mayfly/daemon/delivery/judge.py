"""The judge of a grant's own socket: only this grant's token counts."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, Protocol, TypeVar


class Row(Protocol):
    """What a token opens, as far as a socket needs to know."""

    @property
    def id(self) -> str:
        """The grant's; "" for a profile's own token."""


R_co = TypeVar("R_co", bound=Row, covariant=True)


class Table(Protocol[R_co]):
    """All tokens in force."""

    def find(self, token: str, profile: str, now: datetime) -> R_co | None:
        """What `token` opens of `profile` at `now`."""


class OnlyGrant(Generic[R_co]):
    """A table that has no row but that of one grant: another grant's token is wrong here, and so is a profile's own."""

    def __init__(self, table: Table[R_co], grant_id: str) -> None:
        self._table = table
        self._grant_id = grant_id

    def find(self, token: str, profile: str, now: datetime) -> R_co | None:
        """What `token` opens of `profile` at `now`, if it is this grant's."""
        row = self._table.find(token, profile, now)
        return row if row is not None and row.id == self._grant_id else None
