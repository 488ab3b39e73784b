"""`mayfly exec`: becomes the command, with a profile's environment.

No process of ours stays between the command and its caller: pid, signals and exit code are the command's own.
"""

from __future__ import annotations

import argparse
import os

from typing import NoReturn

from mayfly.cli import environment, speech
from mayfly.cli.aws_config import shadows
from mayfly.cli.env import changes_for


# The words after `--` are not parsed; they come as `given.command`.
TAKES_COMMAND = True

# The exit codes of shells.
NOT_EXECUTABLE = 126
NOT_FOUND = 127


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.usage = "mayfly exec [-h] [--config FILE] [--token-file] [--allow-shadow] PROFILE -- CMD ..."
    parser.add_argument("profile", metavar="PROFILE", help="the profile to run it with")
    parser.add_argument(
        "--token-file",
        action="store_true",
        help="for object_store, polars and deltalake: set the token's file, not the token (old SDKs read none)",
    )
    parser.add_argument("--allow-shadow", action="store_true", help="even if [default] in ~/.aws wins over the profile")
    parser.epilog = "Ends as CMD ends; 127 if there is no such command, 126 if it cannot be run."


def run(given: argparse.Namespace) -> NoReturn:
    """Become the command; raises Stop if it cannot be run."""
    changes = changes_for(given)
    found = [] if given.allow_shadow else shadows.find(os.environ)
    if found:
        raise speech.Stop(
            speech.WRONG_USAGE,
            *found,
            hints=("rename [default] there, or run the command all the same: mayfly exec --allow-shadow ...",),
        )
    _become(given.command, environment.applied(os.environ, changes))


def _become(command: list[str], variables: dict[str, str]) -> NoReturn:
    _restore_signals()
    try:
        os.execvpe(command[0], command, variables)  # noqa: S606 - to run what the user asks for is the command's purpose
    except (FileNotFoundError, NotADirectoryError):
        raise speech.Stop(NOT_FOUND, f"{command[0]}: there is no such command") from None
    except (OSError, ValueError) as reason:
        raise speech.Stop(NOT_EXECUTABLE, f"{command[0]}: cannot be run: {_why(reason)}") from None


def _why(reason: OSError | ValueError) -> str:
    return (isinstance(reason, OSError) and reason.strerror) or str(reason)


def _restore_signals() -> None:
    """Python ignores these two signals, and the command would inherit that: `yes | head` would not end."""
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
