"""The desk on macOS: the I/O registry for who is there, osascript to tell them.

Written from Apple's documentation and public reports, and not run on a Mac by us (see docs/platforms.md).
"""

from __future__ import annotations

import re

from collections.abc import Callable
from datetime import datetime

from mayfly.demand import Presence, Scene
from mayfly.desk.interface import AWAY_SECONDS, Caller, Watch, answer, ask


class MacDesk:
    """Asks the programs of the console session."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._watch = Watch()

    async def scene(self) -> Scene:
        """By `CGSSessionScreenIsLocked` of the console user, and the time since the last key or mouse event."""
        try:
            console = await answer("ioreg", "-n", "Root", "-d", "1") or ""
            events = await answer("ioreg", "-c", "IOHIDSystem", "-d", "4") or ""
        except TimeoutError:
            return self._watch.scene(self._watch.last, self._clock())
        return self._watch.scene(presence_from(console, events), self._clock())

    async def tell(self, title: str, text: str) -> None:
        """By a notification of the script runner."""
        await ask("osascript", "-e", f"display notification {_quoted(text)} with title {_quoted(title)}")

    async def caller(self, inode: int) -> Caller | None:
        """Not to be found out without privileges."""
        del inode
        return None

    async def process(self, pid: int) -> Caller | None:
        """By what `ps` prints."""
        name = await ask("ps", "-p", str(pid), "-o", "comm=")
        return Caller(pid, name.strip().rpartition("/")[2]) if name else None


def presence_from(console: str, events: str) -> Presence:
    """Who is there, by what `ioreg` printed of the root entry and of IOHIDSystem (idle time in nanoseconds)."""
    if re.search(r'"CGSSessionScreenIsLocked"\s*=\s*Yes', console):
        return Presence.LOCKED
    idle = re.search(r'"HIDIdleTime"\s*=\s*(\d+)', events)
    if idle and int(idle[1]) / 1e9 >= AWAY_SECONDS:
        return Presence.AWAY
    return Presence.PRESENT


def _quoted(text: str) -> str:
    """A text as AppleScript has it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
