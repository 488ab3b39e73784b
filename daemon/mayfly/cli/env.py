"""`mayfly env`: prints what to eval. Runs in every shell start-up: starts nothing, asks no daemon, imports little."""

from __future__ import annotations

import argparse
import os
import sys

from mayfly.cli import environment, shells, speech, squatters, target
from mayfly.cli.aws_config import shadows
from mayfly.shared import tokens


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("profile", metavar="PROFILE", nargs="?", help="may be left out where there is only one")
    parser.add_argument("--shell", choices=shells.SHELLS, help="whose words to use (default: by $SHELL)")
    parser.add_argument(
        "--token-file",
        action="store_true",
        help="for object_store, polars and deltalake: name the token's file, not the token (old SDKs read none)",
    )
    parser.add_argument("--off", action="store_true", help="undo it")


def run(given: argparse.Namespace) -> int:
    """Print the changes; say what would win over them."""
    shell = given.shell or shells.usual(os.environ)
    if given.off:
        changes = environment.leave(os.environ)
    else:
        changes = changes_for(given)
        for shadow in shadows.find(os.environ):
            speech.warning(shadow)
    # A path of another encoding must come out as it went in.
    sys.stdout.buffer.write(os.fsencode(shells.render(shell, changes)))
    if sys.stdout.isatty() and shell in shells.EVAL:
        import shlex

        speech.hint("to use it: " + shells.EVAL[shell].format(shlex.join(("mayfly", *sys.argv[1:]))))
    return speech.DONE


def changes_for(given: argparse.Namespace) -> environment.Changes:
    """The changes for the profile that was asked for, its token made if it is missing.

    Raises Stop or ConfigInvalid where the profile, its token or the port is not what it must be.
    """
    found = target.find(given.config, given.profile)
    squatters.refuse_squatted(found.port)
    if not found.region and shadows.default_region(os.environ):
        found = found._replace(usual_region=None)
    token = tokens.ensure_token(found.profile)
    if given.token_file:
        return environment.enter(os.environ, found, token_file=str(tokens.token_path(found.profile)))
    return environment.enter(os.environ, found, token=token)
