"""A `mayfly` of a world in a terminal of its own: what a person sees there, and Ctrl-C."""

from __future__ import annotations

import sys

from collections.abc import Callable

from support import terminal
from support.ancestors import adopted
from support.world import World


ROWS = 12


class Terminal(terminal.Terminal):
    """`terminal.Terminal` with a command of `world` in it; `of_nobody`: not below whoever runs the tests."""

    def __init__(
        self, world: World, *argv: str, columns: int = 80, env: dict[str, str] | None = None, of_nobody: bool = False
    ) -> None:
        line = (sys.executable, "-m", "mayfly", *argv)
        line = adopted(*line) if of_nobody else line
        super().__init__(line, world.with_env(env), world.home, columns=columns, rows=ROWS)

    async def until_lines(self, holds: Callable[[list[str]], object]) -> list[str]:
        """Read until the screen's lines are so; the lines."""
        await self.until(lambda now: bool(holds(now.lines)))
        return self.lines

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.sendintr()
