"""`mayfly uninstall`: the service is gone, with all that `install` has written."""

from __future__ import annotations

import argparse
import sys

from mayfly.cli import speech
from mayfly.cli.install import refused
from mayfly.service import systemd


# The service goes, whatever it was to serve.
TAKES_CONFIG = False


def arguments(_parser: argparse.ArgumentParser) -> None:
    """What this command takes: nothing."""


def run(_given: argparse.Namespace) -> int:
    """End the service and take it away."""
    if sys.platform == "darwin":
        from mayfly.cli import install_launchd

        was_there = install_launchd.uninstall()
    else:
        from mayfly.cli import install_systemd

        try:
            was_there = install_systemd.uninstall()
        except systemd.Refused as reason:
            raise refused(reason) from None
    speech.say("the service is gone; your config stays" if was_there else "there was no service")
    return speech.DONE
