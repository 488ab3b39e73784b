"""How commands speak to people: on stderr, in lowercase, a line for each fact, and a next step that can be pasted."""

from __future__ import annotations

import sys


DONE = 0
FAILED = 1
WRONG_USAGE = 2
NOT_RUNNING = 3
HUMAN_MUST_ACT = 4


class Stop(Exception):
    """Ends the command with `exit_code`, after its errors and hints have been said."""

    def __init__(self, exit_code: int, *errors: str, hints: tuple[str, ...] = ()) -> None:
        super().__init__(*errors)
        self.exit_code = exit_code
        self.errors = errors
        self.hints = hints


def error(text: str) -> None:
    """Say what went wrong."""
    print(f"mayfly: error: {text}", file=sys.stderr)


def warning(text: str) -> None:
    """Say what may surprise the user."""
    print(f"mayfly: warning: {text}", file=sys.stderr)


def hint(text: str) -> None:
    """Say what to do next."""
    print(f"mayfly: hint: {text}", file=sys.stderr)


def say(text: str) -> None:
    """Say what happens."""
    print(f"mayfly: {text}", file=sys.stderr)


def report(reason: Stop) -> int:
    """Say the errors and the hints of a Stop; its exit code."""
    for text in reason.errors:
        error(text)
    for text in reason.hints:
        hint(text)
    return reason.exit_code
