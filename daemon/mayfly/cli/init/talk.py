"""The conversation: questions on stderr, answers from standard input, a line each. No mode of the terminal is changed.

Without a terminal, or with `--yes`, nobody is asked: a question is then answered by its default, or ends the command.
"""

from __future__ import annotations

import sys

from collections.abc import Callable, Sequence
from typing import TypeVar

from mayfly.cli import speech
from mayfly.shared.text import printable


ROWS_SHOWN = 12

T = TypeVar("T")


class Talk:
    """Asks, if `asks`; else takes defaults."""

    def __init__(self, *, asks: bool) -> None:
        self.asks = asks

    def wait_for_enter(self, prompt: str) -> None:
        """Wait for a line."""
        self._line(prompt)

    def ask(self, question: str, default: str | None, option: str, check: Callable[[str], str | None]) -> str:
        """The answer to a question; `check` returns why an answer cannot be, or None. `option` is the flag for it.

        An empty line is the default. Raises Stop if nobody can be asked, and there is no default.
        """
        if not self.asks:
            if default is None:
                raise speech.Stop(speech.WRONG_USAGE, f"missing: {question}", hints=(f"say it by {option}",))
            return default
        while True:
            answer = self._line(f"{question}{f' [{default}]' if default else ''}: ") or default or ""
            reason = check(answer) if answer else "an answer is needed"
            if reason is None:
                return answer
            speech.error(reason)

    def confirms(self, question: str, *, default: bool = True) -> bool:
        """True for a yes. `default` is the answer of an empty line, and where nobody is asked."""
        if not self.asks:
            return default
        while True:
            answer = self._line(f"{question} [{'Y/n' if default else 'y/N'}]: ").lower()
            if not answer:
                return default
            if answer in {"y", "yes", "n", "no"}:
                return answer[0] == "y"
            speech.error("y or n")

    def choose(self, head: str, rows: Sequence[T], shown: Callable[[T], str], *, likely: int = 0) -> T:
        """One of `rows` by its number, or by a part of what is shown of it. Only at a terminal.

        Of more rows than can be looked through the first `likely` are shown; the first is then the default.
        """
        print(printable(head), file=sys.stderr)
        _show(list(enumerate(rows, 1)), shown, least=likely)
        default = " [1]" if likely else ""
        while True:
            answer = self._line(f"which one? a number, or a part of the name{default}: ")
            answer = answer or ("1" if likely else "")
            if answer.isascii() and answer.isdigit() and 0 < int(answer) <= len(rows):
                return rows[int(answer) - 1]
            found = [pair for pair in enumerate(rows, 1) if answer and answer.casefold() in shown(pair[1]).casefold()]
            if len(found) == 1:
                return found[0][1]
            if found:
                _show(found, shown)
            else:
                speech.error("nothing here is called so")

    def _line(self, prompt: str) -> str:
        """A line of the answer; raises Stop at the end of the input."""
        print(printable(prompt), end="", file=sys.stderr, flush=True)
        raw = sys.stdin.buffer.readline()
        if not raw.endswith(b"\n"):
            print(file=sys.stderr)
            raise speech.Stop(speech.FAILED, "the answers have ended")
        return printable(raw.decode(errors="replace").strip())


def _show(rows: Sequence[tuple[int, T]], shown: Callable[[T], str], least: int = 0) -> None:
    """The first rows, with their numbers; all, if they can be looked through."""
    count = min(least or ROWS_SHOWN, ROWS_SHOWN) if len(rows) > ROWS_SHOWN else len(rows)
    for number, row in rows[:count]:
        print(f"  {number:>2}  {printable(shown(row))}", file=sys.stderr)
    if len(rows) > count:
        print(f"      … and {len(rows) - count} more: type a part of the name", file=sys.stderr)
