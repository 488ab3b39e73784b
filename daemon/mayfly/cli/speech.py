"""How the command speaks to people: on stderr, in lowercase, one line a fact, and a next step that can be pasted."""

from __future__ import annotations

import sys


DONE = 0
FAILED = 1
WRONG_USAGE = 2
NOT_RUNNING = 3
HUMAN_MUST_ACT = 4


class Stop(Exception):
    """The command ends with `exit_code`, after `lines` (each an error) and hints have been said."""

    def __init__(self, exit_code: int, *errors: str, hints: tuple[str, ...] = ()) -> None:
        super().__init__(*errors)
        self.exit_code = exit_code
        self.errors = errors
        self.hints = hints


def error(text: str) -> None:
    """Say what went wrong."""
    print(f"mayfly: error: {text}", file=sys.stderr)


def warning(text: str) -> None:
    """Say what may surprise."""
    print(f"mayfly: warning: {text}", file=sys.stderr)


def hint(text: str) -> None:
    """Say what to do."""
    print(f"mayfly: hint: {text}", file=sys.stderr)


def say(text: str) -> None:
    """Say what is going on."""
    print(f"mayfly: {text}", file=sys.stderr)


def stop(reason: Stop) -> int:
    """Say why the command stops; its exit code."""
    for text in reason.errors:
        error(text)
    for text in reason.hints:
        hint(text)
    return reason.exit_code
