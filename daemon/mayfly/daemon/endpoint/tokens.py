"""The tokens by which one endpoint judges its clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from mayfly.daemon.grants import Grant
from mayfly.session.trigger import Requester


class Rows(Protocol):
    """The tokens in force; `grants.Table` says more."""

    def find(self, token: str, profile: str, now: datetime) -> Grant | None:
        """What `token` opens of `profile` at `now`."""

    def find_again(self, token_digest: bytes, profile: str, now: datetime) -> Grant | None:
        """`find` for the digest of a token that has opened `profile` before."""

    def ended(self, token: str, profile: str, now: datetime) -> str | None:
        """Why the grant of this token has ended, if it was one of `profile`."""


class Tokens(NamedTuple):
    """The tokens in force, and what a client with one may have to wait for.

    `renewed` reads the tokens on disk if they have changed, and returns True if a client must be judged again. `allow`
    returns when a person has allowed a grant that asks, for the process that wants it; raises GrantNotAllowed.
    """

    table: Rows
    renewed: Callable[[], Awaitable[bool]]
    allow: Callable[[Grant, Requester], Awaitable[None]]
