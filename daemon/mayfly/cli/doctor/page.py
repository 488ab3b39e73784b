"""The checks as a page for people: a line for each, its further lines and its hint below it, and a sum."""

from __future__ import annotations

import textwrap

from collections import Counter
from collections.abc import Iterable, Iterator

from mayfly.cli.doctor.check import FAILURE, OK, WARNING, Check


COLOURS = {OK: "32", WARNING: "33", FAILURE: "31"}
STATE_WIDTH = len(WARNING)
ID_WIDTH = 20
INDENT = " " * (STATE_WIDTH + ID_WIDTH + 4)
LEAST_COLUMNS = 30


def lines(check: Check, *, is_coloured: bool = False, columns: int | None = None) -> Iterator[str]:
    """The lines of one check. Messages are wrapped to `columns`, hints never: they are to be copied."""
    state = check.state.ljust(STATE_WIDTH)
    shown = f"\x1b[{COLOURS[check.state]}m{state}\x1b[0m" if is_coloured else state
    head = f"{shown}  {check.id.ljust(ID_WIDTH)}  "
    # Terminals of an older encoding lack this one sign, which our messages have.
    message = check.message.replace("…", "...")
    for number, line in enumerate(_wrapped(message, columns)):
        yield f"{INDENT if number else head}{line}".rstrip()
    if check.hint:
        yield f"{INDENT}hint: {check.hint}"


def total(checks: Iterable[Check]) -> str:
    """The number of checks, and how many are in each state."""
    counts = Counter(check.state for check in checks)
    return (
        f"{_count(counts.total(), 'check')}: {counts[OK]} ok, "
        f"{_count(counts[WARNING], 'warning')}, {_count(counts[FAILURE], 'failure')}"
    )


def _wrapped(message: str, columns: int | None) -> list[str]:
    width = columns - len(INDENT) if columns else 0
    if width < LEAST_COLUMNS:
        return message.split("\n")
    return [
        part
        for line in message.split("\n")
        for part in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
