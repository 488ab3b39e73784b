"""`mayfly grants`: who has what, and until when."""

from __future__ import annotations

import argparse
import os
import sys

from collections.abc import Sequence
from datetime import datetime

from mayfly.cli import speech
from mayfly.cli.durations import format_duration
from mayfly.cli.grant import rows
from mayfly.cli.grant.rows import Row
from mayfly.cli.terminal import Terminal, width_of
from mayfly.shared.text import printable


# The daemon has its own config.
TAKES_CONFIG = False

_HEADS = ("ID", "LABEL", "PROFILE", "MAY DO", "AS", "ENDS IN", "USES", "LAST USED BY")
# The columns that give way where the terminal is narrow, and how far: the first one first, and each a second time.
_SHRINKING = ((7, 8), (3, 9), (1, 6), (2, 6), (7, 4), (3, 6), (1, 4), (2, 4))
_GAP = "  "


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.epilog = (
        "What AWS has issued may work for 15 minutes after a grant's time, or 30 after an earlier end"
        " (--as env: until it expires)."
    )


def run(given: argparse.Namespace) -> int:
    """Print the table."""
    found = rows.ask()
    if given.json:
        speech.print_json([{key: row.tree.get(key) for key in rows.KEYS} for row in found], indent=2)
    elif found:
        terminal = Terminal.at(sys.stdout, os.environ)
        for line in table(found, rows.now(), terminal.columns):
            print(terminal.shown(line))
    else:
        speech.say(f"no grants; to make one: {rows.HOW_TO_MAKE}")
    return speech.DONE


def table(found: Sequence[Row], now: datetime, columns: int | None) -> list[str]:
    """A head and a line for each grant, in so many columns if that can be."""
    lines = [_HEADS, *(_cells(row, now) for row in found)]
    widths = [max(width_of(line[place]) for line in lines) for place in range(len(_HEADS))]
    if columns is not None:
        over = sum(widths) + len(_GAP) * (len(widths) - 1) - columns
        for place, least in _SHRINKING:
            given = min(max(0, over), max(0, widths[place] - least))
            widths[place] -= given
            over -= given
    return [_GAP.join(map(_fitted, line, widths)).rstrip() for line in lines]


def _cells(row: Row, now: datetime) -> tuple[str, ...]:
    uses = row.tree.get("uses")
    cells = (
        row.id,
        row.label,
        row.profile,
        ": ".join(filter(None, (row.state(), row.narrowing()))),
        str(row.tree.get("as") or ""),
        format_duration(row.seconds_left(now)),
        "-" if uses is None else str(uses),
        row.last_used_by() or "-",
    )
    return tuple(map(printable, cells))


def _fitted(text: str, width: int) -> str:
    if width_of(text) > width:
        while text and width_of(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - width_of(text))
