"""The desk: what needs the user's session but no secret. Who is there, and telling them."""

from __future__ import annotations

from typing import Protocol

from mayfly.session import Scene


class Desk(Protocol):
    """The user's session, as far as it can be known."""

    async def scene(self) -> Scene:
        """Who is there now; what cannot be known counts as present."""

    async def tell(self, title: str, text: str) -> None:
        """Show a notification, if the session can; never with a secret."""


class NoDesk:
    """A machine that tells nothing of its user, and that can show them nothing."""

    async def scene(self) -> Scene:
        """Somebody, as far as we know."""
        return Scene()

    async def tell(self, title: str, text: str) -> None:
        """Nobody to show it to."""
