"""All commands in one parser, as the tools that read parsers want it; the program itself builds only one at a time."""

from __future__ import annotations

import argparse

from mayfly.cli import parser
from mayfly.cli.main import COMMANDS, module_of


DESCRIPTION = "Short-lived AWS credentials from 1Password, always fresh, for every terminal."


def all_commands() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of `mayfly`, and those of its commands by name, in the order of the overview."""
    whole = argparse.ArgumentParser(prog="mayfly", description=DESCRIPTION)
    whole.add_argument("--version", action="store_true", help="show the version")
    shelf = whole.add_subparsers(title="commands", metavar="COMMAND")
    found: dict[str, argparse.ArgumentParser] = {}
    for name, file, does in COMMANDS:
        sub = shelf.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.", allow_abbrev=False)
        parser.add_arguments(sub, module_of(file))
        found[name] = sub
    shelf.add_parser("help", help="show what a command takes").add_argument("command", choices=list(found))
    return whole, found
