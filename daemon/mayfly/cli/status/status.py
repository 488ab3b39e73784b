"""`mayfly status`: shows which credentials are fresh, what is next, and what went wrong; once or live."""

from __future__ import annotations

import argparse
import os
import sys

from mayfly.cli import daemon_calls, speech
from mayfly.cli.status import notes
from mayfly.cli.status.page import page
from mayfly.cli.terminal import Terminal


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--json", action="store_true", help="the daemon's whole status, for scripts")
    way.add_argument("--watch", action="store_true", help="the same page, live, until q or ctrl-c")


def run(given: argparse.Namespace) -> int:
    """Show the daemon's status."""
    if given.watch:
        from mayfly.cli.status import watch

        return watch.run()
    status = daemon_calls.status()
    if given.json:
        speech.print_json(status, indent=2)
        return speech.DONE
    with daemon_calls.understood():
        lines = page(notes.added(status), Terminal.at(sys.stdout, os.environ))
    print("\n".join(lines))
    return speech.DONE
