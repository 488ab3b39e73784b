"""`mayfly whoami`: asks AWS who a profile is, and prints it as `aws sts get-caller-identity` does."""

from __future__ import annotations

import argparse

from mayfly.cli import daemon_calls, speech
from mayfly.cli.waited_answer import waited_answer


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("profile", metavar="PROFILE")


def run(given: argparse.Namespace) -> int:
    """Ask AWS through the daemon."""
    call = daemon_calls.send_about(given.profile, "POST", "profiles", "{}", "verify", answer_seconds=None)
    # AWS is asked once there are credentials, and that is no stage of a login.
    body = waited_answer(call, given.profile, other={"": "asking AWS who {names} is"})
    with daemon_calls.understood():
        who = daemon_calls.tree(body)
        shown = {"UserId": who["user_id"], "Account": who["account"], "Arn": who["arn"]}
    speech.print_json(shown, indent=4)
    return speech.DONE
