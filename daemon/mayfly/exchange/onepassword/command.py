"""A program that the config names by its words: `token_command` or `otp_command`.

Law: no error repeats what the program printed, nor its arguments. Errors name the key of the config and the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mayfly.exchange.onepassword.child import Child, Flooded, Hung
from mayfly.shared import programs
from mayfly.shared.errors import ConfigInvalid


class Failed(Exception):
    """The program cannot be run, or failed; the text says how, with the program's name."""


class TooSlow(Failed):
    """The program did not end within its time limit."""


def found(key: str, words: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The words, with the program's absolute path as the first.

    Raises ConfigInvalid if there is no such program, or another user could change every one that is found.
    """
    name, *arguments = words
    try:
        return (programs.place_of(name, environ), *arguments)
    except programs.NotFound as reason:
        raise ConfigInvalid(*(f"{key}: {line}" for line in reason.distrusted or (str(reason),))) from None


def output(
    key: str, command: Sequence[str], *, environment: Mapping[str, str], limit_seconds: float, expected: str
) -> bytes:
    """What the program prints on standard output; `expected` is that in words. Raises Failed."""
    which = f"{key} {command[0]}"
    try:
        with Child(command, environment=environment, limit_seconds=limit_seconds) as child:
            printed = child.printed()
    except Hung:
        raise TooSlow(f"{which} did not end within {limit_seconds:g} s") from None
    except Flooded:
        raise Failed(f"{which} printed far more than {expected}") from None
    except OSError as reason:
        raise Failed(f"{which} cannot be run: {reason.strerror}") from None
    if printed.exit_code:
        raise Failed(f"{which} failed (exit code {printed.exit_code})")
    return printed.stdout
