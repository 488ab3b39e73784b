"""What a desk can be asked, whatever the platform; and how it asks the platform's own programs."""

from __future__ import annotations

import asyncio
import shutil

from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, Protocol

from mayfly.session.demand import Presence, Scene


ANSWER_SECONDS = 3
AWAY_SECONDS = 5 * 60


class Caller(NamedTuple):
    """The process at the other end of a connection."""

    pid: int
    program: str


class Desk(Protocol):
    """The user's session, as far as it can be known."""

    async def scene(self) -> Scene:
        """Who is there now; what cannot be known is as it was seen last, and at first present."""

    async def tell(self, title: str, text: str) -> None:
        """Show a notification, if the session can; never with a secret."""

    async def caller(self, inode: int) -> Caller | None:
        """The user's process that holds the socket with this inode, if it can be found."""

    async def process(self, pid: int) -> Caller | None:
        """The user's process of that number; for one that only passes the credentials on, whoever has started it."""


class LocalDesk(Desk, Protocol):
    """A desk in the session itself, which can say what it does not know."""

    async def presence(self) -> Presence | None:
        """Who is there now; None where nobody says so in time."""


class PresenceHistory:
    """Remembers what was seen last, and when the screen was last unlocked, from one look to the next."""

    def __init__(self) -> None:
        self._last = Presence.PRESENT
        self._unlocked_at: datetime | None = None

    def scene(self, presence: Presence | None, now: datetime) -> Scene:
        """The scene for what is seen now; where that is nothing, it is for all we know as it was."""
        presence = presence or self._last
        if self._last is Presence.LOCKED and presence is not Presence.LOCKED:
            self._unlocked_at = now
        self._last = presence
        return Scene(presence=presence, unlocked_at=self._unlocked_at)


async def ask(program: str, *arguments: str) -> str | None:
    """What a program of the platform prints; None if it is not there, fails, or takes too long."""
    found = shutil.which(program)
    if found is None:
        return None
    try:
        process = await asyncio.create_subprocess_exec(
            found,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    out = None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                out, _ = await process.communicate()
    finally:
        # Also where whoever asks has gone: nothing is left running.
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode(errors="replace") if out is not None and process.returncode == 0 else None
