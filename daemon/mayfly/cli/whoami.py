"""`mayfly whoami`: what AWS says of a profile's session, as `aws sts get-caller-identity` prints it."""

from __future__ import annotations

import argparse
import json

from mayfly.cli import daemon_calls, speech


# The daemon is asked, which has its own.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("profile", metavar="PROFILE")


def run(given: argparse.Namespace) -> int:
    """Ask AWS, through the daemon."""
    who = json.loads(daemon_calls.about(given.profile, "POST", "profiles", "{}", "verify", answer_seconds=None))
    shown = {"UserId": who["user_id"], "Account": who["account"], "Arn": who["arn"]}
    print(json.dumps(shown, indent=4))
    return speech.DONE
