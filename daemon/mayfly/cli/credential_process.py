"""`mayfly credential-process`: a profile's credentials in the shape that `credential_process` wants."""

from __future__ import annotations

import argparse

from mayfly.cli import daemon_calls, ports, speech, target


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("profile", metavar="PROFILE")


def run(given: argparse.Namespace) -> int:
    """Print what the daemon has, however long a human takes to approve."""
    ports.refuse_other_users(target.usual_port(given.config))
    print(daemon_calls.about(given.profile, "GET", "process", "{}", answer_seconds=None).decode())
    return speech.DONE
