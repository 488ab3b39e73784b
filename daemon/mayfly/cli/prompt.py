"""`mayfly prompt`: prints a profile and the time that its session has left, for a shell's prompt.

It reads the file that the daemon keeps for prompts, and asks nobody. A prompt must not be disturbed, so a missing file
is no error.
"""

from __future__ import annotations

import os
import time

from mayfly.cli import speech
from mayfly.cli.durations import format_duration
from mayfly.config.profile_name import is_profile_name
from mayfly.shared import prompt_file


TYPE_CHECKING = False  # argparse costs a shell's prompt some ms
if TYPE_CHECKING:
    import argparse

TAKES_CONFIG = False
# A shell calls it for each prompt.
MAY_BE_ALONE = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    help_ = "default: $MAYFLY_PROFILE, $AWS_PROFILE, or the only one that has a session"
    parser.add_argument("profile", metavar="PROFILE", nargs="?", help=help_)
    parser.add_argument("--folder", action="store_true", help="print where the files for prompts are instead")


def run(given: argparse.Namespace) -> int:
    """Print the segment, or the folder."""
    if given.folder:
        print(prompt_file.folder())
        return speech.DONE
    return run_for(given.profile or "")


def run_for(profile: str) -> int:
    """The same, without argparse."""
    if profile and not is_profile_name(profile):
        raise speech.Stop(speech.WRONG_USAGE, f"{profile[:64]!r} is no profile's name")
    if text := _segment(profile or _of_shell()):
        print(text)
    return speech.DONE


def _of_shell() -> str:
    """The profile that this shell uses; "" if Mayfly does not have it."""
    if is_profile_name(ours := os.environ.get("MAYFLY_PROFILE")):
        return str(ours)
    known = prompt_file.profiles()
    named = os.environ.get("AWS_PROFILE")
    if named:
        return named if named in known else ""
    return known[0] if len(known) == 1 else ""


def _segment(profile: str) -> str:
    """`work 7h 12m`, `work expired`, or `work -` where there is no session."""
    if not profile:
        return ""
    end = prompt_file.read_end(profile)
    if end is None:
        return f"{profile} -"
    left = end - time.time()
    return f"{profile} {format_duration(left)}" if left > 0 else f"{profile} expired"
