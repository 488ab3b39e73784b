"""The desk on Linux: logind for who is there, notify-send to tell them, /proc for who is asking."""

from __future__ import annotations

import asyncio
import os

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from mayfly.demand import Presence, Scene
from mayfly.desk.interface import AWAY_SECONDS, Caller, Watch, answer, ask


_PROPERTIES = ("LockedHint", "IdleHint", "IdleSinceHint", "Remote", "Class")


class LinuxDesk:
    """Asks the programs of the user's session."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._watch = Watch()

    async def scene(self) -> Scene:
        """By logind's hints, which the desktop's screen saver and idle watcher set."""
        try:
            presence = await self._presence()
        except TimeoutError:
            # Too busy to say, as after a suspend: for all we know the screen is as it was.
            presence = self._watch.last
        return self._watch.scene(presence, self._clock())

    async def _presence(self) -> Presence:
        session = (
            await answer("loginctl", "show-user", str(os.getuid()), "--property=Display", "--value") or ""
        ).strip()
        if not session:
            return Presence.PRESENT
        wanted = [f"--property={name}" for name in _PROPERTIES]
        return presence_from(await answer("loginctl", "show-session", session, *wanted) or "", self._clock())

    async def tell(self, title: str, text: str) -> None:
        """By notify-send, which speaks to whatever notification service the session has."""
        await ask("notify-send", "--app-name=mayfly", title, text)

    async def caller(self, inode: int) -> Caller | None:
        """By the links in /proc/PID/fd, in a thread, because there are many."""
        return await asyncio.to_thread(_find_caller, inode)


def presence_from(properties: str, now: datetime) -> Presence:
    """Who is there, by what `loginctl show-session` prints; `IdleSinceHint` is in microseconds since the epoch."""
    told = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    if told.get("LockedHint") == "yes":
        return Presence.LOCKED
    since = told.get("IdleSinceHint", "0")
    if told.get("IdleHint") == "yes" and since.isdecimal() and now.timestamp() - int(since) / 1e6 >= AWAY_SECONDS:
        return Presence.AWAY
    return Presence.PRESENT


def _find_caller(inode: int) -> Caller | None:
    """The first process of ours that has the socket open."""
    wanted = f"socket:[{inode}]"
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == os.getuid() and any(
                str(link.readlink()) == wanted for link in (folder / "fd").iterdir()
            ):
                return Caller(int(folder.name), (folder / "comm").read_text().strip())
        except OSError:
            continue
    return None
