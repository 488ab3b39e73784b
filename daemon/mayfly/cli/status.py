"""`mayfly status`: shows which credentials are fresh, what is next, and what went wrong."""

from __future__ import annotations

import argparse
import os
import sys

from mayfly.cli import daemon_calls, speech
from mayfly.cli.status_page import page


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--json", action="store_true", help="the daemon's whole status, for scripts")


def run(given: argparse.Namespace) -> int:
    """Show the daemon's status."""
    status = daemon_calls.status()
    if given.json:
        speech.print_json(status, indent=2)
        return speech.DONE
    with daemon_calls.understood():
        lines = page(status, is_coloured=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    print("\n".join(lines))
    return speech.DONE
