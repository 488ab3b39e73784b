"""`mayfly credential-process`: a profile's credentials in the shape that `credential_process` wants."""

from __future__ import annotations

import argparse
import select

from mayfly.cli import client, daemon_calls, speech, squatters


QUIET_SECONDS = 0.3


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("profile", metavar="PROFILE")


def run(given: argparse.Namespace) -> int:
    """Print what the daemon has, however long a human takes to approve; say so while it waits."""
    squatters.refuse_squatted(squatters.usual_port(given.config))
    call = daemon_calls.send_about(given.profile, "GET", "process", "{}", answer_seconds=None)
    _say_what_is_awaited(given.profile, call)
    print(daemon_calls.checked(daemon_calls.received(call), given.profile).decode())
    return speech.DONE


def _say_what_is_awaited(profile: str, call: client.Call) -> None:
    """Say it early: Rust, Go and Kotlin end this process without a word of their own after 20 to 60 s."""
    if _is_answered(call, QUIET_SECONDS):
        return
    status = daemon_calls.status()
    row = next(row for row in status["profiles"] if row["profile"] == profile)
    again = "if this program gives up, run it again"
    if "1Password" not in row["next_step"]:
        speech.say(f"waiting for AWS for {profile}; {again}")
    elif seconds := _code_wait_seconds(status["config"], profile):
        speech.say(f"a code counts once: the prompt for {profile} comes in {seconds} s; {again}")
        if not _is_answered(call, seconds):
            speech.say(f"1Password waits for {profile}: approve the prompt; {again}")
    else:
        speech.say(f"1Password waits for {profile}: approve the prompt; {again}")


def _is_answered(call: client.Call, seconds: float) -> bool:
    """Whether the daemon answers within `seconds`."""
    return bool(select.select([call], [], [], seconds)[0])


def _code_wait_seconds(config: str, profile: str) -> int:
    """The seconds until the daemon may use the next one-time password; 0 if it may now."""
    import math

    from datetime import UTC, datetime
    from pathlib import Path

    from mayfly.cli.login import PromptWait

    return math.ceil(PromptWait(Path(config)).left_seconds([profile], datetime.now(UTC)))
