"""One check: an id that stays, a state, a sentence, and the command that mends it."""

from __future__ import annotations

import re

from collections.abc import Iterable
from typing import NamedTuple

from mayfly.shared.errors import MayflyError
from mayfly.shared.text import printable


OK = "ok"
WARNING = "warning"
FAILURE = "failure"

# A hint of ours that names a command in quotes, or is one.
_QUOTED = re.compile(r"'((?:mayfly|systemctl|op|loginctl) [^']+)'")
_COMMAND = re.compile(r"(?:sudo )?(?:mayfly|systemctl|op|chmod|rm|kill|ls) \S.*")
_CHMOD = re.compile(r": (chmod [0-7a-z+,-]+ .+)$")


class Check(NamedTuple):
    """`message` has a line for each fact. `hint` is a command that can be pasted; "" where there is none."""

    id: str
    state: str
    message: str
    hint: str = ""

    def cleaned(self) -> Check:
        """The same without characters that steer a terminal. A hint with such characters would do something else."""
        message = printable(self.message, allowed="\n")
        return self._replace(message=message, hint=self.hint if self.hint.isprintable() else "")


def ok(name: str, message: str) -> Check:
    """A check that found nothing wrong."""
    return Check(name, OK, message)


def not_known(name: str, why: str) -> Check:
    """A check that could not be made, for a reason that is no fault."""
    return Check(name, OK, f"not known: {why}")


def warning(name: str, message: str, hint: str = "") -> Check:
    """Something that works, and will surprise."""
    return Check(name, WARNING, message, hint)


def failure(name: str, message: str, hint: str = "") -> Check:
    """Something that does not work."""
    return Check(name, FAILURE, message, hint)


def of_error(name: str, error: MayflyError, profile: str = "", *, state: str = FAILURE) -> Check:
    """A check of an expected error. Advice that is no command stands behind the message."""
    return of_advice(name, error.message, error.hint_for(profile), state=state)


def of_advice(name: str, message: str, advice: str, *, state: str = FAILURE) -> Check:
    """A check with the command in `advice`; advice that is no command stands behind the message."""
    command = command_in(advice)
    return Check(name, state, message if command or not advice else f"{message}: {advice}", command)


def command_in(advice: str) -> str:
    """The first command that `advice` names, or is; "" if there is none."""
    quoted = _QUOTED.search(advice)
    return quoted[1] if quoted else advice if _COMMAND.fullmatch(advice) else ""


def chmods_in(lines: Iterable[str]) -> str:
    """The commands at the end of lines such as `X is writable by others: chmod go-w X`, as one command."""
    return " && ".join(dict.fromkeys(found[1] for line in lines if (found := _CHMOD.search(line))))
