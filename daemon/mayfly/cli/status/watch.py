"""`mayfly status --watch`: the page on the terminal's other screen, live, until q, Ctrl-C or a signal."""

from __future__ import annotations

import os
import sys
import time

from datetime import datetime

from mayfly.cli import client, daemon_calls, speech, terminal
from mayfly.cli.status import notes
from mayfly.cli.status.follower import Follower
from mayfly.cli.status.page import page
from mayfly.cli.status.screen import Ended, Screen
from mayfly.cli.terminal import Terminal
from mayfly.shared.clock import seconds_with_sleep
from mayfly.shared.text import printable


def run() -> int:
    """Show the page until somebody ends it."""
    if not Terminal.at(sys.stdout, os.environ).can_move:
        reason = "it is dumb" if sys.stdout.isatty() else "standard output is none"
        raise speech.Stop(speech.WRONG_USAGE, f"--watch needs a terminal, and {reason}", hints=("mayfly status",))
    try:
        with Screen() as screen:
            _follow(screen)
    except Ended as ended:
        ended.die()
    return speech.DONE


def _follow(screen: Screen) -> None:
    follower, keys = Follower(), b""
    ready: list[client.Call] = []
    screen.enter()
    while b"q" not in keys:
        follower.step(ready, seconds_with_sleep())
        screen.draw(_frame(follower, Terminal.at(sys.stdout, os.environ)))
        # The clock in the last line turns at whole seconds.
        rest_seconds = min(1 - time.time() % 1, follower.rest_seconds(seconds_with_sleep()))
        heard = screen.wait(follower.sources, rest_seconds)
        keys, ready = heard.keys, [call for call in heard.ready if isinstance(call, client.Call)]
    follower.close()


def _frame(follower: Follower, to: Terminal) -> list[str]:
    """The page, cut to the terminal, and a line that says how to end it."""
    # In a full line an erasure of the rest would take the last letter (xterm).
    to.columns = max(1, (to.columns or terminal.USUAL_COLUMNS) - 1)
    lines = _page(follower, to)
    room = max(0, (to.rows or terminal.USUAL_ROWS) - 2)
    if len(lines) > room:
        lines = [*lines[: max(0, room - 1)], to.shown(f"… {len(lines) - room + 1} more lines")]
    foot = to.shown(f"{datetime.now().astimezone():%H:%M:%S} · q or ctrl-c ends")
    return [*lines, *[""] * (room - len(lines) + 1), to.styled(foot[: to.columns], terminal.DIM)]


def _page(follower: Follower, to: Terminal) -> list[str]:
    if follower.status is None:
        return _problem(follower.problem, to) if follower.problem else []
    try:
        with daemon_calls.understood():
            return page(
                notes.added(follower.status),
                to,
                now=follower.now(seconds_with_sleep()),
                breaks_words=True,
            )
    except speech.Stop as problem:
        return _problem(problem, to)


def _problem(problem: speech.Stop, to: Terminal) -> list[str]:
    """Why there is no page, in the words that the command says without --watch."""
    texts = [(f"mayfly: error: {text}", terminal.RED) for text in problem.errors]
    texts += [(f"mayfly: hint: {text}", "") for text in problem.hints]
    return [
        to.styled(line, style)
        for text, style in texts
        for line in terminal.wrapped(to.shown(printable(text)), to.columns, breaks_words=True)
    ]
