"""The output of the demo: numbered steps and their results, at most 80 columns wide, with styles only on a terminal."""

from __future__ import annotations

import textwrap

from typing import TextIO

from mayfly.shared.text import printable


INDENT = "   "
WIDTH = 80


class Output:
    """Writes to `out`, unbuffered; with styles if `is_coloured`."""

    def __init__(self, out: TextIO, *, is_coloured: bool) -> None:
        self._out = out
        self._is_coloured = is_coloured
        self._steps = 0

    def title(self, text: str) -> None:
        """The demo's first line."""
        self._write(self._styled("1", text))

    def step(self, text: str) -> None:
        """The numbered heading of the next step."""
        self._steps += 1
        self._write("", f"{self._styled('1;36', str(self._steps))}  {self._styled('1', text)}")

    def say(self, text: str) -> None:
        """A comment, wrapped."""
        self._write(*_wrapped(text))

    def show(self, text: str) -> None:
        """A file, an output or a command, not wrapped."""
        self._write(*(self._styled("36", INDENT + line) if line else "" for line in text.splitlines()))

    def good(self, text: str) -> None:
        """The result that the step is about, wrapped."""
        self._write(*(self._styled("1;32", line) for line in _wrapped(text)))

    def plain(self, text: str) -> None:
        """One line, neither indented nor wrapped."""
        self._write(printable(text))

    def _styled(self, style: str, text: str) -> str:
        text = printable(text)
        return f"\x1b[{style}m{text}\x1b[0m" if self._is_coloured else text

    def _write(self, *lines: str) -> None:
        print(*lines, sep="\n", file=self._out, flush=True)


def _wrapped(text: str) -> list[str]:
    lines = textwrap.wrap(text, WIDTH - len(INDENT), break_long_words=False, break_on_hyphens=False)
    return [INDENT + printable(line) for line in lines]
