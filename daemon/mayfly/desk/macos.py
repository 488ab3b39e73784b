"""The desk on macOS: presence by the I/O registry, notifications by osascript.

Written from Apple's documentation and public reports. Not yet run on a Mac (see docs/platforms.md).
"""

from __future__ import annotations

import asyncio
import os
import re

from typing import Any

from mayfly.desk.platform_desk import PlatformDesk
from mayfly.desk.programs import ask, is_there, run
from mayfly.shared.ancestry import Agent
from mayfly.shared.desk import AWAY_SECONDS, QUESTION_SECONDS, TITLE, Caller, Presence
from mayfly.shared.text import printable


# osascript(1): each -e is a line of the script, and what follows the options is `argv`.
_SCRIPT = (
    *("-e", "on run argv"),
    *("-e", "display notification (item 2 of argv) with title (item 1 of argv)"),
    *("-e", "end run"),
)


# `giving up after` takes seconds. Enter is Deny: a dialog may come up under the fingers of a person who types.
_QUESTION = (
    *("-e", "on run argv"),
    *(
        "-e",
        'set answer to display dialog (item 2 of argv) with title (item 1 of argv) buttons {"Deny", "Allow"}'
        f' default button "Deny" giving up after {QUESTION_SECONDS}',
    ),
    *("-e", "return button returned of answer"),
    *("-e", "end run"),
)


class MacDesk(PlatformDesk):
    """Runs programs of the console session."""

    async def presence(self) -> Presence | None:
        """By the screen lock of this user's session, and the time since the last key or mouse event.

        None if the registry cannot be read.
        """
        console = await ask("ioreg", "-n", "Root", "-d", "1", "-a")
        events = await ask("ioreg", "-c", "IOHIDSystem", "-d", "4")
        return None if console is None else presence_from(console, events or "", os.getuid())

    async def tell(self, title: str, text: str) -> None:
        """By a notification of osascript. Title and text are arguments of the script, and never a part of it."""
        await ask("osascript", *_SCRIPT, "--", printable(title), printable(text))

    async def can_ask(self) -> bool:
        """True where osascript is there."""
        return await asyncio.to_thread(is_there, "osascript")

    async def ask(self, question: str) -> bool | None:
        """By a dialog of osascript. None where it shows none, as without a screen."""
        ended = await run("osascript", *_QUESTION, "--", TITLE, printable(question), seconds=QUESTION_SECONDS + 5)
        if ended is None or ended.exit_code > 0:
            return None
        return ended.output.strip() == "Allow"

    async def caller(self, inode: int) -> Caller | None:
        """None: macOS does not tell it without privileges."""
        del inode
        return None

    async def process(self, pid: int) -> Caller | None:
        """By `ps`."""
        name = await ask("ps", "-p", str(pid), "-o", "comm=")
        return Caller(pid, name.strip().rpartition("/")[2]) if name else None

    async def agent(self, *, inode: int = 0, pid: int = 0) -> Agent | None:
        """None: agents are recognised on Linux only."""
        del inode, pid
        return None


def presence_from(console: str, events: str, uid: int) -> Presence | None:
    """The presence in the output of `ioreg`: the root entry as XML, and IOHIDSystem with the idle time in nanoseconds.

    None if the root entry cannot be read. Other users than `uid` may be logged in, each with a screen lock.
    """
    try:
        users = _console_users(console)
    except (ValueError, TypeError, AttributeError, LookupError):
        return None
    # The key exists only while the screen is locked.
    if any(user.get("kCGSSessionUserIDKey") == uid and user.get("CGSSessionScreenIsLocked") for user in users):
        return Presence.LOCKED
    # A number that fits into 64 bits has at most 20 digits. Python refuses longer ones, or cannot divide them.
    idle = re.search(r'"HIDIdleTime"\s*=\s*([0-9]{1,20})(?![0-9])', events)
    if idle and int(idle[1]) / 1e9 >= AWAY_SECONDS:
        return Presence.AWAY
    return Presence.PRESENT


def _console_users(console: str) -> list[dict[str, Any]]:
    """The sessions with a screen; raises ValueError, TypeError, AttributeError or LookupError for any other text."""
    import plistlib  # of macOS alone

    from xml.parsers.expat import ExpatError

    try:
        root = plistlib.loads(console.encode())
    except (ExpatError, plistlib.InvalidFileException) as reason:
        raise ValueError(str(reason)) from None
    return [user for user in root.get("IOConsoleUsers", []) if isinstance(user, dict)]
