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

    def find_again(self, token_digest: bytes, profile: str, now: datetime) -> R_co | None:
        """`find` for the digest of a token that has opened `profile` before."""

    def ended(self, token: str, profile: str, now: datetime) -> str | None:
        """Why the grant of this token has ended, if it was one of `profile`."""


class OnlyGrant(Generic[R_co]):
    """A table that has no row but that of one grant: another grant's token is wrong here, and so is a profile's own."""

    def __init__(self, table: Table[R_co], grant_id: str) -> None:
        self._table = table
        self._grant_id = grant_id

    def find(self, token: str, profile: str, now: datetime) -> R_co | None:
        """As the table's."""
        return self._if_this(self._table.find(token, profile, now))

    def find_again(self, token_digest: bytes, profile: str, now: datetime) -> R_co | None:
        """As the table's."""
        return self._if_this(self._table.find_again(token_digest, profile, now))

    def ended(self, token: str, profile: str, now: datetime) -> str | None:
        """As the table's, for every grant: the token opens nothing here, and its holder may know why."""
        return self._table.ended(token, profile, now)

    def _if_this(self, row: R_co | None) -> R_co | None:
        return row if row is not None and row.id == self._grant_id else None
