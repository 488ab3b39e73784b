"""`mayfly uninstall`: ends the service and removes all that `install` has written."""

from __future__ import annotations

import argparse
import sys

from mayfly.cli import speech
from mayfly.cli.install.install import refused
from mayfly.service import systemd


# The service is removed, even if its config is unusable.
TAKES_CONFIG = False


def arguments(_parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def run(_given: argparse.Namespace) -> int:
    """End the service and remove it."""
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
        speech.say("the service is gone; your config stays")
    return speech.DONE
