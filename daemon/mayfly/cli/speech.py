"""The voice of the commands: on stderr, in lowercase, a line for each fact, and a next step that can be pasted.

Law: a text may come from a daemon, from `op` or from a file: no character of it steers the terminal or begins a line.
"""

from __future__ import annotations

import sys

from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.text import printable


TYPE_CHECKING = False  # typing costs every `aws` command some ms through credential-process
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from mayfly.shared.errors import MayflyError


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


def stop_for(problem: MayflyError, *more_hints: str) -> Stop:
    """The Stop for an expected error."""
    hints = (*((problem.hint,) if problem.hint else ()), *more_hints)
    if isinstance(problem, ConfigInvalid):
        return Stop(WRONG_USAGE, *problem.problems, hints=hints)
    return Stop(HUMAN_MUST_ACT if problem.needs_human else FAILED, problem.message, hints=hints)


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`: did you mean X?` with the nearest of the known words; "" if none is near."""
    import difflib

    by_lower = {word.lower(): word for word in known}
    near = difflib.get_close_matches(wrong.lower(), list(by_lower), n=1)
    return f": did you mean {by_lower[near[0]]}?" if near else ""


def error(text: str) -> None:
    """Say what went wrong."""
    print(f"mayfly: error: {printable(text)}", file=sys.stderr)


def warning(text: str) -> None:
    """Say what may surprise the user."""
    print(f"mayfly: warning: {printable(text)}", file=sys.stderr)


def hint(text: str) -> None:
    """Say what to do next."""
    print(f"mayfly: hint: {printable(text)}", file=sys.stderr)


def say(text: str) -> None:
    """Say what happens."""
    print(f"mayfly: {printable(text)}", file=sys.stderr)


def report(reason: Stop) -> int:
    """Say the errors and the hints of a Stop; its exit code."""
    for text in reason.errors:
        error(text)
    for text in reason.hints:
        hint(text)
    return reason.exit_code


def print_json(tree: Any, *, indent: int) -> None:
    """Print a tree as JSON of printable ASCII, for scripts."""
    import json

    print(json.dumps(tree, indent=indent).replace("\x7f", "\\u007f"))


def print_file(text: str) -> None:
    """Print a file's text in UTF-8, also in another locale."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
