"""`mayfly revoke`: ends grants now. What AWS has issued for them is ended by a policy in IAM, which it can print."""

from __future__ import annotations

import argparse
import sys

from mayfly.cli import daemon_calls, speech
from mayfly.cli.durations import format_duration, format_time
from mayfly.cli.grant import rows
from mayfly.cli.grant.granted import instant
from mayfly.cli.grant.rows import Revoked, Row
from mayfly.shared import grant


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("grant", metavar="ID|LABEL", nargs="?", help="the grant's id, or its label if no other has it")
    group.add_argument("--all", action="store_true", help="all grants")
    parser.add_argument(
        "--policy", action="store_true", help="print the IAM policy that ends what AWS has issued, too (JSON)"
    )
    parser.epilog = "The next request with the grant's token is refused. Requests in flight end first."


def run(given: argparse.Namespace) -> int:
    """End them, and say what may go on."""
    found = rows.ask()
    chosen = found if given.all else [rows.choose(found, given.grant)]
    if not chosen:
        speech.say("there are no grants")
    ended = [gone for row in chosen if (gone := _end(row))]
    for gone in ended:
        # Standard output is the policy's.
        print(f"{gone.row.called()}: revoked", file=sys.stderr if given.policy else sys.stdout)
    _say_what_goes_on(ended, is_policy_printed=given.policy)
    if given.policy and ended:
        from mayfly.cli.grant import iam

        speech.print_json(iam.policy(ended), indent=2)
    return speech.DONE


def _end(row: Row) -> Revoked | None:
    """None if it has ended by itself meanwhile."""
    reply = daemon_calls.replied(daemon_calls.send("DELETE", f"/grants/{row.id}"))
    if reply.status == 404 and b'"UnknownGrant"' in reply.body:
        speech.say(f"{row.called()} has ended already")
        return None
    tree = daemon_calls.tree(daemon_calls.body_of(reply))
    with daemon_calls.understood():
        name, until = tree.get("session_name"), tree.get("outlives_until")
        # A name that the config gives is that of others, too.
        own = name if name == grant.session_name(row.label, row.id) else None
        return Revoked(row, own, instant(until) if until else None)


def _say_what_goes_on(ended: list[Revoked], *, is_policy_printed: bool) -> None:
    now = rows.now()
    lasting = [gone for gone in ended if gone.outlives_until and gone.outlives_until > now]
    for gone in lasting:
        until = gone.outlives_until or now
        rest = format_duration((until - now).total_seconds())
        speech.say(f"{gone.row.called()}: what AWS has issued may work until {format_time(until, now)} ({rest})")
    own = [gone.row for gone in ended if gone not in lasting and gone.row.tree.get("as") == "env"]
    for row in own:
        speech.say(f"{row.called()}: has its credentials already, and they work until they expire")
    if (lasting or own) and not is_policy_printed:
        speech.hint("to end that too takes a policy in IAM; 'mayfly revoke --policy ID' prints it as it ends a grant")
