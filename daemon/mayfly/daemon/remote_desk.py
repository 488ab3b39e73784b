"""The desk behind a socket, for a daemon that is sealed off from the user's session.

A question without an answer in time is unknown: presence stays as it was last seen (at first PRESENT), no process is
found, and a process counts as an agent's.
"""

from __future__ import annotations

import asyncio
import json
import stat

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from mayfly.shared.ancestry import UNKNOWN, Agent
from mayfly.shared.desk import ANSWER_SECONDS, MAX_LINE_BYTES, QUESTION_SECONDS, Caller, Presence, Scene
from mayfly.shared.presence_history import PresenceHistory
from mayfly.shared.text import failure_words


# The desk's unit starts, then runs two programs of the platform one after the other.
PATIENCE_SECONDS = 3 * ANSWER_SECONDS


class RemoteDesk:
    """Asks the desk at `path`. The desk ends when it is idle, so this side keeps the history."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock
        self._history = PresenceHistory()
        # By question, the last one last: why it has no answer, and from which socket.
        self._problems: dict[str, tuple[str, tuple[int, int] | None]] = {}

    def notes(self) -> list[str]:
        """For `mayfly status`: why the desk does not answer, and what to do.

        A problem stays until the same question is answered, or the socket is a new one.
        """
        found = _socket_id(self._path)
        problem = next((each for each, socket in reversed(self._problems.values()) if socket == found), "")
        if not found:
            problem = f"{self._path} is no socket"
        return [f"the desk does not answer: {problem}; systemctl --user restart mayfly-desk.socket"] if problem else []

    async def scene(self) -> Scene:
        """As the desk sees it."""
        answer = await self._ask({"question": "scene"})
        presence = Presence(answer) if answer in [one.value for one in Presence] else None
        return self._history.scene(presence, self._clock())

    async def tell(self, title: str, text: str) -> None:
        """By the desk."""
        await self._ask({"question": "tell", "title": title, "text": text})

    async def can_ask(self) -> bool:
        """As the desk says; False for a desk that does not know the question."""
        return await self._ask({"question": "can_ask"}) is True

    async def ask(self, question: str) -> bool | None:
        """By the desk."""
        answer = await self._ask({"question": "ask", "text": question}, person_seconds=QUESTION_SECONDS)
        return answer if isinstance(answer, bool) else None

    async def caller(self, inode: int) -> Caller | None:
        """As the desk finds it."""
        return _caller(await self._ask({"question": "caller", "inode": inode}))

    async def process(self, pid: int) -> Caller | None:
        """As the desk knows it."""
        return _caller(await self._ask({"question": "process", "pid": pid}))

    async def agent(self, *, inode: int = 0, pid: int = 0) -> Agent | None:
        """As the desk finds it; UNKNOWN without an answer."""
        match await self._ask({"question": "agent", "inode": inode, "pid": pid}):
            case []:
                return None
            case [str(name), int(found), int(started)]:
                return Agent(name, found, started)
        return UNKNOWN

    async def _ask(self, question: dict[str, Any], *, person_seconds: float = 0) -> Any:
        """The answer; None where there is none. `person_seconds`: how long a person may think about it."""
        kind, patience_seconds = question["question"], PATIENCE_SECONDS + person_seconds
        try:
            async with asyncio.timeout(patience_seconds):
                answer = await self._exchange_lines(json.dumps(question).encode() + b"\n")
        except TimeoutError:
            self._note_problem(kind, f"no answer within {patience_seconds:g} s")
        except (ValueError, RecursionError):  # RecursionError: JSON of a thousand brackets
            self._note_problem(kind, "its answer cannot be read")
        except OSError as reason:
            self._note_problem(kind, f"{self._path}: {failure_words(reason)}")
        else:
            self._problems.pop(kind, None)
            return answer
        return None

    def _note_problem(self, kind: str, problem: str) -> None:
        self._problems.pop(kind, None)
        self._problems[kind] = (problem, _socket_id(self._path))

    async def _exchange_lines(self, question: bytes) -> Any:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=MAX_LINE_BYTES)
        try:
            writer.write(question)
            return json.loads(await reader.readline())
        finally:
            writer.close()


def _socket_id(path: Path) -> tuple[int, int] | None:
    """Tells the socket at `path` from one made later; None if there is no socket."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    return (facts.st_ino, facts.st_ctime_ns) if stat.S_ISSOCK(facts.st_mode) else None


def _caller(answer: Any) -> Caller | None:
    match answer:
        case [int(pid), str(program)]:
            return Caller(pid, program)
    return None
