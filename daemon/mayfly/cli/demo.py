"""`mayfly demo`: Mayfly at work, with an embedded vault and an embedded STS."""

from __future__ import annotations

import argparse
import os
import sys

from mayfly.cli import speech
from mayfly.cli.terminal import Terminal
from mayfly.shared.text import printable


# The demo has a config of its own.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--once", action="store_true", help="end after the story, and do not stay for you to try")


def run(given: argparse.Namespace) -> int:
    """Play the demo. Its processes and files are gone when this returns."""
    import asyncio

    from mayfly.demo.output import Output
    from mayfly.demo.play import play
    from mayfly.demo.stage import Failed

    output = Output(sys.stdout, is_coloured=Terminal.at(sys.stdout, os.environ).has_colour)
    try:
        return asyncio.run(play(output, once=given.once))
    except Failed as reason:
        for line in reason.log:
            print(printable(line), file=sys.stderr)
        raise speech.Stop(speech.FAILED, str(reason), hints=("please report this, with the lines above",)) from None
