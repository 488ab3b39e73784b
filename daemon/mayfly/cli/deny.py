"""`mayfly deny`: refuses a grant that asks; it gets no credentials from then on."""

from __future__ import annotations

import argparse

from mayfly.cli import daemon_calls, speech
from mayfly.cli.grant import rows


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("grant", metavar="ID", help="the grant's id, or its label if no other has it")


def run(given: argparse.Namespace) -> int:
    """Refuse it; raises Stop."""
    row = rows.choose(rows.ask(), given.grant)
    daemon_calls.ask("POST", f"/grants/{row.id}/deny")
    print(f"{row.called()}: denied")
    return speech.DONE
