"""`mayfly credential-process`: prints a profile's credentials as AWS's `credential_process` wants them.

It runs for every `aws` command, so it imports little. It asks the control socket alone, whose peer must be this user's:
neither the usual config nor the process on the endpoint's port matters.
"""

from __future__ import annotations

import select

from mayfly.cli import client, daemon_calls, speech
from mayfly.shared.text import printable


TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

QUIET_SECONDS = 0.3
# So often is it looked for a prompt before another word is said.
SILENT_LOOKS = 10

_AGAIN = "if this program gives up, run it again"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("profile", metavar="PROFILE")


def run(given: argparse.Namespace) -> int:
    """As `run_for`. Raises ConfigInvalid for a config that is named and cannot be read: no other is meant."""
    if given.config:
        from mayfly.config import document
        from mayfly.shared import paths

        document.read(paths.config_file(given.config))
    return run_for(str(given.profile))


def run_for(profile: str) -> int:
    """Print the daemon's credentials, however long a human takes to approve, and say on stderr for what it waits."""
    call = daemon_calls.send_about(profile, "GET", "process", "{}", answer_seconds=None)
    if not _is_answered(call, QUIET_SECONDS):
        _say_what_is_awaited(profile, call)
    print(printable(daemon_calls.answer(call, profile).decode(errors="replace")))
    return speech.DONE


def _say_what_is_awaited(profile: str, call: client.Call) -> None:
    """Say it early: Rust, Go and Kotlin end this process after 20 to 60 s, without a word of their own."""
    try:
        asks_human, seconds = _prompt(profile)
    except speech.Stop:
        return  # the answer to the call itself tells what is wrong
    if not asks_human:
        speech.say(f"waiting for AWS for {profile}; {_AGAIN}")
        return
    if seconds:
        speech.say(f"a code counts once: the prompt for {profile} comes in {seconds} s; {_AGAIN}")
    if not (seconds and _is_answered(call, seconds)):
        _await_prompt(profile, call, is_announced=bool(seconds))


def _await_prompt(profile: str, call: client.Call, *, is_announced: bool) -> None:
    """Say that a prompt is up once it is; and before that, if it takes a while, that it is waited for."""
    from mayfly.exchange.onepassword import prompt_mark

    looks = 0
    while not prompt_mark.is_prompting():
        if _is_answered(call, QUIET_SECONDS):
            return
        looks += 1
        if looks == SILENT_LOOKS and not is_announced:
            speech.say(f"waiting for 1Password and AWS for {profile}; {_AGAIN}")
    speech.say(f"1Password waits for {profile}: approve the prompt; {_AGAIN}")


def _prompt(profile: str) -> tuple[bool, int]:
    """True if a person is prompted, and the seconds until then, because a code is sent once; raises Stop."""
    import math

    from datetime import UTC, datetime

    from mayfly.cli.login import PromptWait

    status = daemon_calls.status()
    with daemon_calls.understood():
        next_steps = {row["profile"]: row["next_step"] for row in status["profiles"]}
        if "1Password" not in next_steps[profile]:
            return False, 0
        wait = PromptWait(daemon_calls.config_path(status))
        return True, math.ceil(wait.left_seconds([profile], datetime.now(UTC)))


def _is_answered(call: client.Call, seconds: float) -> bool:
    """True if the daemon answers within `seconds`."""
    return bool(select.select([call], [], [], seconds)[0])
