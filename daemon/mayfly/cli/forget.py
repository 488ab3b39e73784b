"""`mayfly forget`: drops credentials from the daemon's memory. Credentials that clients have already stay valid."""

from __future__ import annotations

import argparse

from mayfly.cli import daemon_calls, speech


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    daemon_calls.add_profiles(parser)


def run(given: argparse.Namespace) -> int:
    """Have the daemon forget each profile."""
    known = daemon_calls.known_profiles(given.profiles)
    daemon_calls.check_names(given.profiles, known)
    for name in dict.fromkeys(given.profiles or known):
        daemon_calls.ask_about(name, "POST", "profiles", "{}", "forget")
        print(f"{name}: forgotten")
    speech.say("AWS cannot recall what it has issued: copies of the credentials work until they expire")
    speech.hint(
        "to end them now, deny their user or role with aws:TokenIssueTime in a policy ('revoke active sessions' in IAM)"
    )
    return speech.DONE
