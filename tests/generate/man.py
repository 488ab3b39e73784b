"""The man pages, in the macros of man(7): mayfly(1) from the commands' parsers, mayfly.toml(5) from the config's types.

Not argparse-manpage: it repeats each usage under three heads, and knows no page but a parser's.
"""

from __future__ import annotations

import argparse
import re

from collections.abc import Iterable, Iterator

from tests.generate.commands import DESCRIPTION, all_commands
from tests.generate.config_keys import TABLES, Table

from mayfly import __version__
from mayfly.cli.main import COMMANDS, EXIT_CODES


_FILES = (
    ("~/.config/mayfly/config.toml", "the config; see mayfly.toml(5)"),
    ("$XDG_RUNTIME_DIR/mayfly", "the runtime folder: the control socket, and the profiles' tokens"),
)
_VARIABLES = (
    ("MAYFLY_CONFIG", "the config's path"),
    ("MAYFLY_RUNTIME_DIR", "the runtime folder's path"),
    ("MAYFLY_LISTEN", "the address that the daemon listens on, and that commands point to: 127.0.0.1:PORT"),
    ("NO_COLOR", "no colours"),
)


def mayfly_1() -> str:
    """The page of the command."""
    return _page(_mayfly_1())


def mayfly_toml_5() -> str:
    """The page of the config."""
    return _page(_mayfly_toml_5())


def _page(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _head(title: str, section: int, what: str) -> Iterator[str]:
    yield '.\\" Made by `make generate`: do not edit.'
    yield f'.TH {title.upper()} {section} "" "mayfly {__version__}" "mayfly"'
    yield from (".SH NAME", f"{title} \\- {_text(what)}")


def _mayfly_1() -> Iterator[str]:
    yield from _head("mayfly", 1, DESCRIPTION[0].lower() + DESCRIPTION[1:].rstrip("."))
    yield from (".SH SYNOPSIS", ".B mayfly", ".I COMMAND", "\\&...", ".SH DESCRIPTION")
    yield _text(
        "A daemon of your user gets temporary credentials from AWS with the access key and the one-time password that "
        "are in 1Password, renews them before they end, and gives them to every AWS SDK."
    )
    yield ".SH COMMANDS"
    _, commands = all_commands()
    for name, _, does in COMMANDS:
        yield f".SS mayfly {_text(_synopsis(commands[name]))}"
        yield _text(f"{does[0].upper()}{does[1:]}.")
        yield from _options(commands[name])
        if commands[name].epilog:
            yield from (".PP", ".nf", *(_text(line.strip()) for line in str(commands[name].epilog).splitlines()), ".fi")
    yield ".SH EXIT STATUS"
    for line in EXIT_CODES.splitlines()[1:]:
        code, meaning = line.split(None, 1)
        yield from _row(code, meaning)
    yield ".SH FILES"
    for path, meaning in _FILES:
        yield from _row(path, meaning)
    yield ".SH ENVIRONMENT"
    for variable, meaning in _VARIABLES:
        yield from _row(variable, meaning)
    yield from (".SH SEE ALSO", ".BR mayfly.toml (5)")


def _synopsis(command: argparse.ArgumentParser) -> str:
    usage = " ".join(command.format_usage().split()).removeprefix("usage: mayfly ")
    return usage.replace("[-h] ", "").removesuffix(" [-h]")


def _options(command: argparse.ArgumentParser) -> Iterator[str]:
    for action in command._actions:
        if action.dest == "help" or action.help in {None, argparse.SUPPRESS}:
            continue
        value = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
        names = ", ".join(action.option_strings)
        yield from _row(f"{names}{value}".strip(), str(action.help))


def _row(term: str, meaning: str) -> Iterator[str]:
    yield from (".TP", f".B {_text(term)}", _text(meaning))


def _mayfly_toml_5() -> Iterator[str]:
    yield from _head("mayfly.toml", 5, "the config of mayfly")
    yield ".SH DESCRIPTION"
    yield _text(
        "The file is config.toml in ~/.config/mayfly. It holds names and secret references of 1Password, and no "
        "secret. Only you may be able to write it, the folders above it and the programs that it names. 'mayfly "
        "reload' takes over a changed file; 'mayfly serve' refuses a wrong one, and names every problem with its key."
    )
    for table in TABLES:
        yield f".SH {_text(table.head.upper() if not table.head.startswith('[') else table.head)}"
        yield _text(table.what)
        yield from _keys(table)
    yield from (".SH SEE ALSO", ".BR mayfly (1)")


def _keys(table: Table) -> Iterator[str]:
    for key in table.keys:
        yield from (".TP", f".B {_text(key.name)}", f"{_text(key.meaning)}.", ".br", _text(key.facts()))


def _text(text: str) -> str:
    r"""`text` as roff has it: a backslash is `\e`, a hyphen that can be copied `\-`, and no line begins with a dot."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return re.sub(r"^(?=[.'])", r"\\&", escaped)
