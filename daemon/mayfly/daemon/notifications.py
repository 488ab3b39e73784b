"""Notifications on the user's screen, unless the config says `notify = false`. Never a secret.

Shown are: which program asked, and by which grant, when a client's request raises a prompt; that a client was refused,
and the next step, because many SDKs hide the answer's text; that a profile in use could not be renewed; and that its
session ends in 15 and in 5 minutes.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from typing import Any

from mayfly.daemon.events import Events
from mayfly.daemon.tasks import Tasks
from mayfly.shared import grant
from mayfly.shared.desk import TITLE, Caller, Desk


# A desk is asked two questions, each of which it gives up after 9 s at most. This bound holds for any fault of a desk.
NOTIFICATION_SECONDS = 20


class Notifications:
    """Listens to `events`, and shows notifications by the desk while `is_wanted` returns True."""

    def __init__(self, events: Events, desk: Desk, *, is_wanted: Callable[[], bool]) -> None:
        self._events = events
        self._desk = desk
        self._is_wanted = is_wanted
        self._tasks = Tasks(events)

    async def run(self) -> None:
        """Show one notification after the other, until the events end.

        One that fails, or is not shown within NOTIFICATION_SECONDS, is logged as `task.failed`.
        """
        try:
            async for event in self._events.listen():
                await asyncio.wait([self._tasks.spawn(self._notify(event))])
        finally:
            await self._tasks.end()

    async def _notify(self, event: dict[str, Any]) -> None:
        async with asyncio.timeout(NOTIFICATION_SECONDS):
            text = await self._text(event) if self._is_wanted() else None
            if text:
                await self._desk.tell(TITLE, text)

    async def _text(self, event: dict[str, Any]) -> str | None:
        if event["event"] == "approval.wanted":
            caller = await self._caller(event["inode"], event["pid"])
            program = caller.program if caller else "a program"
            by_grant = f" (grant {event['label']})" if "label" in event else ""
            return f"{program}{by_grant} wants {event['profile']}"
        return notice(event)

    async def _caller(self, inode: int, pid: int) -> Caller | None:
        if inode:
            return await self._desk.caller(inode)
        return await self._desk.process(pid) if pid else None


def notice(event: dict[str, Any]) -> str | None:
    """The notification for an event, if its fields alone make one; else None."""
    if event["event"] == "session.ending":
        minutes = max(1, round(event["left_seconds"] / 60))
        return f"{event['profile']} ends in {minutes} min: run 'mayfly login {event['profile']}'"
    if event["event"] == "client.refused":
        reason = f"a program was refused {event['profile']}: {event['reason']}"
        return f"{reason}: {event['hint']}" if event["hint"] else reason
    if event["event"] == "session.refresh_failed" and event["in_use"] and event["failures"] == 1:
        return f"{grant.in_words(event['profile'])} could not be renewed: {event['reason']}"
    return None
