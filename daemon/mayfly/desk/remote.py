"""The desk as a service of its own, for a daemon that is sealed off from the session: one question, one connection.

The question is a JSON line, and so is the answer. What cannot be asked in time is not known: then the screen is as it
was when it was last seen (at first: with somebody before it), and nobody is found.
"""

from __future__ import annotations

import asyncio
import json

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from mayfly.desk.interface import ANSWER_SECONDS, Caller, LocalDesk, PresenceHistory
from mayfly.session.demand import Presence, Scene


MAX_LINE_BYTES = 4096
# To start, and then two programs of the platform one after the other.
PATIENCE_SECONDS = 3 * ANSWER_SECONDS


class RemoteDesk:
    """Asks the desk that answers at `path`. That one may end meanwhile: what must be remembered is remembered here."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock
        self._watch = PresenceHistory()

    async def scene(self) -> Scene:
        """As the desk sees it."""
        told = await self._ask({"question": "scene"})
        presence = Presence(told) if told in [one.value for one in Presence] else None
        return self._watch.scene(presence, self._clock())

    async def tell(self, title: str, text: str) -> None:
        """By the desk."""
        await self._ask({"question": "tell", "title": title, "text": text})

    async def caller(self, inode: int) -> Caller | None:
        """As the desk finds it."""
        return _caller(await self._ask({"question": "caller", "inode": inode}))

    async def process(self, pid: int) -> Caller | None:
        """As the desk knows it."""
        return _caller(await self._ask({"question": "process", "pid": pid}))

    async def _ask(self, question: dict[str, Any]) -> Any:
        """The answer; None where there is none."""
        with suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._path, limit=MAX_LINE_BYTES)
                try:
                    writer.write(json.dumps(question).encode() + b"\n")
                    return json.loads(await reader.readline())
                finally:
                    writer.close()
        return None


def _caller(told: Any) -> Caller | None:
    match told:
        case [int(pid), str(program)]:
            return Caller(pid, program)
    return None


async def answered(desk: LocalDesk, line: bytes) -> bytes:
    """What the desk answers to a line; raises ValueError, TypeError or KeyError for what is no question."""
    question = json.loads(line)
    told: Any = None
    match question["question"]:
        case "scene":
            presence = await desk.presence()
            told = presence and presence.value
        case "tell":
            await desk.tell(str(question["title"]), str(question["text"]))
        case "caller":
            told = await desk.caller(int(question["inode"]))
        case "process":
            told = await desk.process(int(question["pid"]))
        case _:
            raise ValueError("no such question")
    return json.dumps(told).encode() + b"\n"
