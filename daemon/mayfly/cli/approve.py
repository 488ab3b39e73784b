"""`mayfly approve`: lets a grant that asks have its credentials, after a person has seen which one."""

from __future__ import annotations

import argparse
import sys

from mayfly.cli import daemon_calls, speech
from mayfly.cli.grant import callers, rows
from mayfly.cli.init.talk import Talk


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("grant", metavar="ID", help="the grant's id, or its label if no other has it")
    parser.add_argument("--yes", action="store_true", help="approve without a question")
    parser.epilog = "It refuses to run for a coding agent that it recognises. That is a guard rail, and no wall."


def run(given: argparse.Namespace) -> int:
    """Show it, ask, and approve it; raises Stop."""
    callers.refuse_agents()
    row = rows.choose(rows.ask(), given.grant)
    asks_by = f"; asked by {row.last_used_by()}" if row.last_used_by() else ""
    speech.say(rows.described(row, rows.now()) + asks_by)
    if not given.yes:
        _confirm(row.id)
    daemon_calls.ask("POST", f"/grants/{row.id}/approve")
    print(f"{row.called()}: approved")
    return speech.DONE


def _confirm(grant_id: str) -> None:
    asks = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    if not asks:
        text = "there is no terminal to ask for your yes"
        raise speech.Stop(speech.WRONG_USAGE, text, hints=(f"mayfly approve --yes {grant_id}",))
    if not Talk(asks=True).confirms("approve it?", default=False):
        raise speech.Stop(speech.FAILED, "not approved", hints=(f"to refuse it for good: mayfly deny {grant_id}",))
