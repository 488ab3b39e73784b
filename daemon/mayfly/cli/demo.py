"""`mayfly demo`: all of it at work, with an embedded vault and an embedded STS."""

from __future__ import annotations

import argparse
import os
import sys

from mayfly.cli import speech


# It has a config of its own.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("--once", action="store_true", help="end after the story, instead of staying for you to try")


def run(given: argparse.Namespace) -> int:
    """Play the demo. Its processes and files are gone when this returns."""
    import asyncio

    from mayfly.demo.output import Output
    from mayfly.demo.play import play
    from mayfly.demo.stage import Failed

    output = Output(sys.stdout, is_coloured=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    try:
        return asyncio.run(play(output, once=given.once))
    except Failed as reason:
        for line in reason.log:
            print(line, file=sys.stderr)
        raise speech.Stop(speech.FAILED, str(reason), hints=("please report this, with the lines above",)) from None
