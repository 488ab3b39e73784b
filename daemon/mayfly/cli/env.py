"""`mayfly env`: prints what a shell evaluates to use a profile.

It runs in every shell start-up: it starts no process, asks no daemon, and imports little.
"""

from __future__ import annotations

import os
import sys

from types import SimpleNamespace

from mayfly.cli import environment, ports, shells, speech, target
from mayfly.cli.aws_config import shadows
from mayfly.cli.target import Target
from mayfly.shared import tokens


TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("profile", metavar="PROFILE", nargs="?", help="may be left out if there is only one")
    parser.add_argument("--shell", choices=shells.SHELLS, help="the shell to write for (default: by $SHELL)")
    parser.add_argument(
        "--token-file",
        action="store_true",
        help="for object_store, polars and deltalake: set the token's file, not the token (old SDKs read none)",
    )
    parser.add_argument("--off", action="store_true", help="undo what env has set")


def run_for(profile: str) -> int:
    """As `run`, for a command line with nothing but a profile."""
    return run(SimpleNamespace(profile=profile, config=None, shell=None, token_file=False, off=False))


def run(given: argparse.Namespace | SimpleNamespace) -> int:
    """Print the changes; warn of credentials that would win over the profile's."""
    shell = given.shell or shells.of_user(os.environ)
    if given.off:
        changes = environment.changes_to_unset(os.environ)
    else:
        changes = changes_for(given)
        for shadow in shadows.find(environment.applied(os.environ, changes)):
            speech.warning(shadow)
    # A path in another encoding is printed byte for byte.
    sys.stdout.buffer.write(os.fsencode(shells.render(shell, changes)))
    if sys.stdout.isatty() and shell in shells.EVAL:
        import shlex

        speech.hint("to use it: " + shells.EVAL[shell].format(shlex.join(("mayfly", *sys.argv[1:]))))
    return speech.DONE


def changes_for(given: argparse.Namespace | SimpleNamespace) -> environment.Changes:
    """The variables to change for the profile; its token is made if it is missing.

    Raises Stop or ConfigInvalid if there is no such profile, or its token or the port cannot be used.
    """
    return changes_to(target.find(given.config, given.profile), given)


def changes_to(found: Target, given: argparse.Namespace | SimpleNamespace) -> environment.Changes:
    """The same for a profile that has been found."""
    ports.refuse_other_users(found.port)
    if not found.region and shadows.default_region(os.environ):
        found = found._replace(fallback_region=None)
    token = tokens.ensure_token(found.profile)
    if given.token_file:
        return environment.changes_to_set(os.environ, found, token_file=str(tokens.token_path(found.profile)))
    return environment.changes_to_set(os.environ, found, token=token)
