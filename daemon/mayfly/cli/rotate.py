"""`mayfly rotate`: new tokens. Whoever has an old one is locked out."""

from __future__ import annotations

import argparse

from mayfly import document, paths, tokens
from mayfly.cli import asking, speech
from mayfly.cli.reload import take_over


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("profiles", metavar="PROFILE", nargs="*", help="default: all")


def run(given: argparse.Namespace) -> int:
    """Make them, and have the daemon read them, if it runs."""
    known = list(document.read(paths.config_file(given.config)).tables("profiles"))
    asking.check_names(given.profiles, known)
    for name in dict.fromkeys(given.profiles or known):
        tokens.rotate_token(name)
        print(f"{name}: new token in {tokens.token_path(name)}")
    try:
        take_over()
    except speech.Stop as reason:
        if reason.exit_code != speech.NOT_RUNNING:
            raise
    speech.hint("shells that were told an old token need the new one: run 'mayfly env' there again")
    return speech.DONE
