"""What a command takes, by argparse; imported only if a command line needs it."""

from __future__ import annotations

import argparse
import sys

from types import ModuleType
from typing import NoReturn

from mayfly.cli import speech


HELP_WIDTH = 100

CONFIG_HELP = "the config (default: $MAYFLY_CONFIG, else config.toml, else config.json in ~/.config/mayfly)"


class Formatter(argparse.HelpFormatter):
    """Help of a fixed width: argparse imports shutil, bz2 and lzma to ask the terminal, for each argument again."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=HELP_WIDTH)


class RawFormatter(Formatter, argparse.RawDescriptionHelpFormatter):
    """The same, for a command whose last words are lines as they stand."""


class Parser(argparse.ArgumentParser):
    """argparse in our voice: the usage, then one line that says what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Raise the Stop of wrong usage."""
        self.print_usage(sys.stderr)
        raise speech.Stop(speech.WRONG_USAGE, message, hints=(f"{self.prog} --help",))

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End, after the help has been written."""
        sys.stdout.flush()
        super().exit(status, message)


def parse(module: ModuleType, name: str, does: str, words: list[str]) -> argparse.Namespace:
    """The arguments in `words` for the command `name`; raises Stop if they are wrong, SystemExit after a help."""
    parser = Parser(
        prog=f"mayfly {name}",
        description=f"{does[0].upper()}{does[1:]}.",
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    add_arguments(parser, module)
    if not getattr(module, "TAKES_COMMAND", False):
        given = parser.parse_args(words)
    else:
        # argparse would take the options of the command for ours.
        cut = words.index("--") if "--" in words else len(words)
        given, rest = parser.parse_known_args(words[:cut], argparse.Namespace(command=words[cut + 1 :]))
        if rest:
            is_option = rest[0].startswith("-")
            text = f"unrecognized arguments: {' '.join(rest)}"
            what = getattr(module, "AFTER_DASHES", "the command to run follows --")
            parser.error(text if is_option else f"{rest[0]}: {what}")
        may_be_missing = cut == len(words) and getattr(module, "COMMAND_MAY_BE_MISSING", False)
        if not given.command and not may_be_missing:
            parser.error("the command to run is missing: it follows --")
    return given


def add_arguments(parser: argparse.ArgumentParser, module: ModuleType) -> None:
    """The arguments of a command's module, and --config for those that read one."""
    if getattr(module, "TAKES_CONFIG", True):
        parser.add_argument("--config", metavar="FILE", help=CONFIG_HELP)
    module.arguments(parser)
