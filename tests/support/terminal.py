"""A program in a pseudo-terminal, and what its screen shows: pexpect has the terminal, pyte draws."""

from __future__ import annotations

import asyncio
import codecs
import termios

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pexpect
import pyte

from support.world import measured


PATIENCE_SECONDS = 30


class Terminal:
    """One program on a terminal of its own. `raw` is all that it has written."""

    def __init__(
        self,
        argv: Sequence[str],
        env: dict[str, str],
        folder: Path,
        *,
        columns: int = 80,
        rows: int = 24,
        encoding: str = "utf-8",
    ) -> None:
        self.raw = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        given = {"TERM": "xterm-256color", "TZ": "UTC", **measured(), **env}
        self.process = pexpect.spawn(
            argv[0], list(argv[1:]), env=given, cwd=str(folder), dimensions=(rows, columns), timeout=None
        )

    @property
    def lines(self) -> list[str]:
        """The screen's lines, without the blanks at their ends and without empty lines at the end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip().split("\n")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def colour_of(self, word: str, line: str) -> str:
        """The colour of a word in the first line that begins with `line`, as pyte calls it (yellow is brown)."""
        place = next(place for place, shown in enumerate(self.lines) if shown.startswith(line))
        return str(self._screen.buffer[place][self.lines[place].index(word)].fg)

    def styled(self) -> list[tuple[list[str], list[str]]]:
        """Each line as its texts of one colour, and their colours."""
        found = []
        for place, shown in enumerate(self.lines):
            cells = [self._screen.buffer[place][column] for column in range(len(shown))]
            groups = [
                (colour, "".join(cell.data for cell in group)) for colour, group in groupby(cells, lambda it: it.fg)
            ]
            found.append(([text for _, text in groups], [str(colour) for colour, _ in groups]))
        return found

    def modes(self) -> list[Any]:
        """The terminal's modes: echo, canonical input and all others."""
        return termios.tcgetattr(self.process.child_fd)

    async def until(self, holds: Callable[[Terminal], bool]) -> None:
        """Read until the screen is so."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not holds(self):
                    await self._read()
        except TimeoutError:
            raise AssertionError(f"the screen never was so: it shows\n{self.text}") from None

    async def shows(self, *texts: str) -> None:
        """Read until the screen shows these texts."""
        await self.until(lambda now: all(text in now.text for text in texts))

    async def wrote(self, raw: bytes, times: int = 1) -> None:
        """Read until it has written these bytes so many times."""
        await self.until(lambda now: now.raw.count(raw) >= times)

    async def end(self) -> int:
        """Read to the end; the exit code, negative for a signal."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self._read():
                pass
        await asyncio.to_thread(self.process.wait)
        return -self.process.signalstatus if self.process.signalstatus else self.process.exitstatus or 0

    def type(self, keys: str) -> None:
        self.process.send(keys)

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        self._screen.reset()
        self.process.setwinsize(rows, columns)

    def kill(self, number: int) -> None:
        self.process.kill(number)

    def close(self) -> None:
        """End the program in every state."""
        self.process.close(force=True)

    async def _read(self) -> bool:
        """Read what there is; False at the end."""
        try:
            raw = await asyncio.to_thread(self.process.read_nonblocking, 65536, 0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += raw
        self._stream.feed(self._decoder.decode(raw))
        return True
