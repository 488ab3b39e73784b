"""The argument grammar of `op`.

Law: global flags may stand anywhere, `--flag value` and `--flag=value` are the same, and `--` ends the flags. A flag
that is not in the tables is refused, so that the tests fail if Mayfly passes a flag that `op` does not have.
"""

from __future__ import annotations

from mayfly.demo.op.messages import OpError


_SWITCH, _VALUE = False, True

_GLOBAL = {
    "account": _VALUE,
    "cache": _SWITCH,
    "config": _VALUE,
    "debug": _SWITCH,
    "encoding": _VALUE,
    "format": _VALUE,
    "help": _SWITCH,
    "iso-timestamps": _SWITCH,
    "no-color": _SWITCH,
    "session": _VALUE,
}

COMMANDS: dict[str, dict[str, bool]] = {
    "": {"version": _SWITCH},
    "account list": {},
    "inject": {},
    "item get": {"vault": _VALUE, "otp": _SWITCH, "fields": _VALUE, "reveal": _SWITCH},
    "item list": {"vault": _VALUE},
    "vault list": {},
    "whoami": {},
}

_SHORT = {"h": "help", "v": "version"}
_TRUE = {"1", "t", "T", "true", "TRUE", "True"}  # as Go's strconv.ParseBool has it
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}

USAGE = "Usage:  op [command] [flags]\n\nCommands:  " + ", ".join(filter(None, COMMANDS)) + "\n"


class Arguments:
    """`command` is a key of COMMANDS, `words` are its arguments, `flags` are the flags that were set."""

    def __init__(self, argv: list[str]) -> None:
        self.words: list[str] = []
        self.flags: dict[str, str | bool] = {}
        rest = list(argv)
        while rest:
            argument = rest.pop(0)
            if argument == "--":
                self.words += rest
                break
            if argument.startswith("-") and argument != "-":
                self._flag(argument, rest)
            else:
                self.words.append(argument)
        self.command = _command(self.words)
        self.words = self.words[len(self.command.split()) :]
        if not self.command and self.words:
            raise OpError(_unknown_command(self.words))

    def is_on(self, flag: str) -> bool:
        """True if a switch is on."""
        return self.flags.get(flag) is True

    def text(self, flag: str) -> str | None:
        """The value of a flag, None if it is not set."""
        value = self.flags.get(flag)
        return value if isinstance(value, str) else None

    def _flag(self, argument: str, rest: list[str]) -> None:
        name, equals, value = argument.lstrip("-").partition("=")
        if not argument.startswith("--"):
            name = _SHORT.get(name, name)
        known = _GLOBAL | COMMANDS[_command(self.words)]
        if name not in known:
            raise OpError(f"unknown flag: {argument.partition('=')[0]}\n{USAGE.rstrip()}")
        if known[name] is _SWITCH:
            self.flags[name] = _switch(name, value if equals else "true")
        elif equals or rest:
            self.flags[name] = value if equals else rest.pop(0)
        else:
            raise OpError(f"flag needs an argument: --{name}")  # cobra's wording


def _command(words: list[str]) -> str:
    for length in (2, 1):
        if " ".join(words[:length]) in COMMANDS:
            return " ".join(words[:length])
    return ""


def _unknown_command(words: list[str]) -> str:
    # assumption: wording, from another project's stand-in
    groups = {command.split()[0] for command in COMMANDS if " " in command}
    if words[0] in groups:
        return f'unknown command "{" ".join(words[1:2])}" for "op {words[0]}"'
    return f'unknown command "{words[0]}" for "op"'


def _switch(name: str, value: str) -> bool:
    if value not in _TRUE | _FALSE:
        reason = f'strconv.ParseBool: parsing "{value}": invalid syntax'
        raise OpError(f'invalid argument "{value}" for "--{name}" flag: {reason}')
    return value in _TRUE
