"""`mayfly uninstall`: ends the service and removes all that `install` has written; says what is left, or takes it."""

from __future__ import annotations

import argparse
import sys

from mayfly.cli import speech
from mayfly.cli.install import leftovers
from mayfly.cli.install.install import refused
from mayfly.service import systemd


# The service is removed, even if its config is unusable.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--purge", action="store_true", help="also remove the profiles in ~/.aws/config, the tokens and the config"
    )


def run(given: argparse.Namespace) -> int:
    """End the service and remove it, then tell or remove the rest."""
    if given.purge:
        leftovers.check_owner(leftovers.found())
    _remove_service()
    left = leftovers.found()
    if given.purge:
        return leftovers.purge(left)
    leftovers.tell(left)
    return speech.DONE


def _remove_service() -> None:
    if sys.platform == "darwin":
        from mayfly.cli.install import with_launchd

        kept = with_launchd.uninstall()
    else:
        from mayfly.cli.install import with_systemd

        try:
            kept = with_systemd.uninstall()
        except systemd.Refused as reason:
            raise refused(reason) from None
    if kept is None:
        speech.say("there was no service")
    elif kept:
        speech.say(f"the service has ended; kept, because not ours: {', '.join(map(str, kept))}")
    else:
        speech.say("the service is gone")
