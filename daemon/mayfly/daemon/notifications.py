"""Tells the people in front of the screen what they would want to know, and no more.

Who asked, when a client's request raises a prompt; that a profile in use could not be renewed; that it ends in 15 and
in 5 minutes. Never a secret, and nothing where the config says `notify = false`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mayfly.daemon.events import Events
from mayfly.shared.desk import Caller, Desk


TITLE = "Mayfly"


class Notifications:
    """Listens to `events` and speaks through the desk while `is_wanted` says so."""

    def __init__(self, events: Events, desk: Desk, *, is_wanted: Callable[[], bool]) -> None:
        self._events = events
        self._desk = desk
        self._is_wanted = is_wanted

    async def run(self) -> None:
        """Tell, until the events end."""
        async for event in self._events.listen():
            text = await self._text(event) if self._is_wanted() else None
            if text:
                await self._desk.tell(TITLE, text)

    async def _text(self, event: dict[str, Any]) -> str | None:
        if event["event"] == "approval.wanted":
            caller = await self._caller(event["inode"], event["pid"])
            return f"{caller.program if caller else 'a program'} wants {event['profile']}"
        return notice(event)

    async def _caller(self, inode: int, pid: int) -> Caller | None:
        if inode:
            return await self._desk.caller(inode)
        return await self._desk.process(pid) if pid else None


def notice(event: dict[str, Any]) -> str | None:
    """What a person is told about an event that needs no further asking, or None."""
    if event["event"] == "session.ending":
        minutes = max(1, round(event["left_seconds"] / 60))
        return f"{event['profile']} ends in {minutes} min: run 'mayfly login {event['profile']}'"
    if event["event"] == "session.refresh_failed" and event["in_use"] and event["failures"] == 1:
        return f"{event['profile']} could not be renewed: {event['reason']}"
    return None
