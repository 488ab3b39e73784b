"""A desk that a test controls, its service on a socket, and stand-ins for the programs of the platform."""

from __future__ import annotations

import asyncio
import socket

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mayfly.desk.__main__ import serve
from mayfly.shared.ancestry import Agent
from mayfly.shared.desk import Caller, Presence, Scene


class FakeDesk:
    """Sees the presence that the test sets, and keeps the notifications. It finds every process but number 0,
    and answers each question as the test says (None: it cannot ask)."""

    def __init__(self, presence: Presence | None = Presence.PRESENT) -> None:
        self.seen = presence
        self.told: list[tuple[str, str]] = []
        self.answer: bool | None = None
        self.asked: list[str] = []
        # By inode or pid; and which of them were looked at.
        self.agents: dict[int, Agent] = {}
        self.looked: list[int] = []

    def notes(self) -> list[str]:
        return []

    async def presence(self) -> Presence | None:
        return self.seen

    async def scene(self) -> Scene:
        raise AssertionError("the daemon's side keeps the history, so the desk is asked for the presence alone")

    async def tell(self, title: str, text: str) -> None:
        self.told.append((title, text))

    async def can_ask(self) -> bool:
        return self.answer is not None

    async def ask(self, question: str) -> bool | None:
        self.asked.append(question)
        return self.answer

    async def caller(self, inode: int) -> Caller | None:
        return Caller(inode, "terraform") if inode else None

    async def process(self, pid: int) -> Caller | None:
        return Caller(pid, "aws by curl") if pid else None

    async def agent(self, *, inode: int = 0, pid: int = 0) -> Agent | None:
        self.looked.append(inode or pid)
        return self.agents.get(inode or pid)


@asynccontextmanager
async def desk_service(folder: Path, desk: FakeDesk) -> AsyncIterator[Path]:
    """The desk's real service, in front of `desk`; yields the path of its socket."""
    path = folder / "desk.sock"
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    serving = asyncio.create_task(serve(sock, desk, 600))
    try:
        yield path
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


class Screen:
    """A screen that the test locks and unlocks: a stand-in `loginctl` in `programs` tells of it."""

    def __init__(self, programs: Path) -> None:
        self._hints = programs / "screen"
        self.unlock()
        put_program(programs, "loginctl", f'[ "$1" = show-user ] && echo 7 || cat {self._hints}')

    def lock(self) -> None:
        self._say("LockedHint=yes\nIdleHint=no\n")

    def unlock(self) -> None:
        self._say("LockedHint=no\nIdleHint=no\n")

    def vanish(self) -> None:
        """From now on nobody can tell."""
        self._hints.unlink()

    def _say(self, hints: str) -> None:
        beside = self._hints.with_suffix(".new")
        beside.write_text(hints)
        beside.replace(self._hints)


def put_program(folder: Path, name: str, script: str) -> Path:
    """A program that runs `script`, and appends its arguments to NAME.calls, a line each; returns that file's path."""
    program = folder / name
    calls = folder / f"{name}.calls"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {calls}\n{script}\n')
    program.chmod(0o755)
    return calls
