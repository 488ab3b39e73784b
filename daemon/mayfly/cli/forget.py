"""`mayfly forget`: drop credentials from the daemon's memory. What has been handed out already stays good."""

from __future__ import annotations

import argparse

from mayfly.cli import daemon_calls, speech


# The daemon is asked, which has its own.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("profiles", metavar="PROFILE", nargs="*", help="default: all")


def run(given: argparse.Namespace) -> int:
    """Have every named profile forgotten."""
    known = daemon_calls.known_profiles()
    daemon_calls.check_names(given.profiles, known)
    for name in dict.fromkeys(given.profiles or known):
        daemon_calls.about(name, "POST", "profiles", "{}", "forget")
        print(f"{name}: forgotten")
    speech.say("AWS cannot recall what it has issued: whoever copied it can use it until it ends")
    speech.hint(
        "to end it now, deny its user or role with aws:TokenIssueTime in a policy ('revoke active sessions' in IAM)"
    )
    return speech.DONE
