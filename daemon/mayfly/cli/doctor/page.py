"""The checks as a page for people: a line for each, its further lines and its hint below it, and a sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from mayfly.cli import terminal
from mayfly.cli.doctor.check import FAILURE, OK, WARNING, Check
from mayfly.cli.terminal import Terminal


COLOURS = {OK: terminal.GREEN, WARNING: terminal.YELLOW, FAILURE: terminal.RED}
STATE_WIDTH = len(WARNING)
ID_WIDTH = 20
INDENT = " " * (STATE_WIDTH + ID_WIDTH + 4)
LEAST_COLUMNS = 30


def lines(check: Check, to: Terminal) -> Iterator[str]:
    """The lines of one check. Messages are wrapped to the terminal's width, hints never: they are to be copied."""
    state = to.styled(check.state, COLOURS[check.state]) + " " * (STATE_WIDTH - len(check.state))
    head = f"{state}  {check.id.ljust(ID_WIDTH)}  "
    for number, line in enumerate(_wrapped(to.shown(check.message), to.columns)):
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
    room = columns - len(INDENT) if columns else 0
    return [
        part for line in message.split("\n") for part in terminal.wrapped(line, room if room >= LEAST_COLUMNS else None)
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
