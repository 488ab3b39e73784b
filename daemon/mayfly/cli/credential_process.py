"""`mayfly credential-process`: prints a profile's credentials as AWS's `credential_process` wants them."""

from __future__ import annotations

import argparse

from mayfly.cli import daemon_calls, ports, speech, target
from mayfly.shared.text import printable


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("profile", metavar="PROFILE")


def run(given: argparse.Namespace) -> int:
    """Print the daemon's credentials, however long a human takes to approve."""
    ports.refuse_other_users(target.expected_port(given.config))
    body = daemon_calls.ask_about(given.profile, "GET", "process", "{}", answer_seconds=None)
    print(printable(body.decode(errors="replace")))
    return speech.DONE
