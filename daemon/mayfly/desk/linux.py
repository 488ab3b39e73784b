"""The desk on Linux: logind for who is there, notify-send to tell them, /proc for who is asking."""

from __future__ import annotations

import asyncio
import os

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from mayfly.demand import Presence, Scene
from mayfly.desk.interface import AWAY_SECONDS, Caller, Watch, ask


_PROPERTIES = ("LockedHint", "IdleHint", "IdleSinceHint", "Remote", "Class")


class LinuxDesk:
    """Asks the programs of the user's session."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._watch = Watch()

    async def scene(self) -> Scene:
        """By logind's hints, which the desktop's screen saver and idle watcher set."""
        return self._watch.scene(await self.presence(), self._clock())

    async def presence(self) -> Presence | None:
        """None where logind is too busy to say, as after a suspend, or is not there."""
        session = await ask("loginctl", "show-user", str(os.getuid()), "--property=Display", "--value")
        if session is None:
            return None
        if not session.strip():
            return Presence.PRESENT
        wanted = [f"--property={name}" for name in _PROPERTIES]
        printed = await ask("loginctl", "show-session", session.strip(), *wanted)
        return None if printed is None else presence_from(printed, self._clock())

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
