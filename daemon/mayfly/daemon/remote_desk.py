"""The desk behind a socket, for a daemon whose unit is sealed off from the user's session.

If the desk does not answer in time, presence stays as it was last seen (at first PRESENT), and no process is found.
"""

from __future__ import annotations

import asyncio
import json

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from mayfly.shared.desk import ANSWER_SECONDS, MAX_LINE_BYTES, Caller, Presence, PresenceHistory, Scene


# The desk's unit has to start, and runs two programs one after the other (loginctl twice).
PATIENCE_SECONDS = 3 * ANSWER_SECONDS


class RemoteDesk:
    """Asks the desk at `path`. The desk ends when it is idle, so this side keeps the history."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock
        self._history = PresenceHistory()

    async def scene(self) -> Scene:
        """The user's presence, as the desk sees it."""
        answer = await self._ask({"question": "scene"})
        presence = Presence(answer) if answer in [one.value for one in Presence] else None
        return self._history.scene(presence, self._clock())

    async def tell(self, title: str, text: str) -> None:
        """Show a notification."""
        await self._ask({"question": "tell", "title": title, "text": text})

    async def caller(self, inode: int) -> Caller | None:
        """The process that has the socket `inode`, or None."""
        return _caller(await self._ask({"question": "caller", "inode": inode}))

    async def process(self, pid: int) -> Caller | None:
        """The process `pid`, or None."""
        return _caller(await self._ask({"question": "process", "pid": pid}))

    async def _ask(self, question: dict[str, Any]) -> Any:
        """The desk's answer; None if there is none in time."""
        with suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._path, limit=MAX_LINE_BYTES)
                try:
                    writer.write(json.dumps(question).encode() + b"\n")
                    return json.loads(await reader.readline())
                finally:
                    writer.close()
        return None


def _caller(answer: Any) -> Caller | None:
    match answer:
        case [int(pid), str(program)]:
            return Caller(pid, program)
    return None
