"""A command in a terminal of its own, and what a person sees there."""

from __future__ import annotations

import asyncio
import sys
import time

from collections.abc import Callable
from typing import Any

import pexpect
import pyte

from support.world import PATIENCE_SECONDS, World


class Terminal:
    """A real pseudo-terminal with a `mayfly` in it; `raw` is all that was written to it."""

    def __init__(self, world: World, *argv: str, columns: int = 80, env: dict[str, str] | None = None) -> None:
        self.raw = b""
        self._screen = pyte.Screen(columns, 12)
        self._stream = pyte.ByteStream(self._screen)
        self._process: Any = pexpect.spawn(
            sys.executable,
            ["-m", "mayfly", *argv],
            env=world.with_env({"TERM": "xterm-256color"} | (env or {})),
            cwd=str(world.home),
            dimensions=(12, columns),
            echo=True,
        )

    @property
    def lines(self) -> list[str]:
        """The screen, without what is blank at its end."""
        rows = [row.rstrip() for row in self._screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    async def until(self, holds: Callable[[list[str]], object]) -> list[str]:
        """Look at the screen until it holds."""
        await asyncio.to_thread(self._watch, lambda: bool(holds(self.lines)))
        return self.lines

    async def end(self) -> int:
        """Watch until the command ends; its exit code, or the negative number of its signal."""
        await asyncio.to_thread(self._watch, lambda: False)
        self._process.close()
        return -self._process.signalstatus if self._process.signalstatus else int(self._process.exitstatus)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.sendintr()

    def resize(self, columns: int) -> None:
        self._process.setwinsize(12, columns)
        self._screen.resize(12, columns)

    def _watch(self, is_enough: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not is_enough():
            assert time.monotonic() < end, f"the terminal shows {self.lines}"
            try:
                block = self._process.read_nonblocking(65536, timeout=0.05)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                return
            self.raw += block
            self._stream.feed(block)
