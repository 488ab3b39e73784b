"""`mayfly exec`: becomes the command, with a profile's environment.

No process of ours stays between the command and its caller: pid, signals and exit code are the command's own. Before
that it has the daemon, if one runs, get the profile's credentials, and tells what it waits for: the command could not.
"""

from __future__ import annotations

import argparse
import os

from typing import NoReturn

from mayfly.cli import client, daemon_calls, environment, min_life, speech, target
from mayfly.cli.aws_config import shadows
from mayfly.cli.env import changes_to
from mayfly.cli.waited_answer import waited_answer
from mayfly.shared.errors import ConfigInvalid


# The words after `--` are not parsed; they come as `given.command`.
TAKES_COMMAND = True

# The exit codes of shells.
NOT_EXECUTABLE = 126
NOT_FOUND = 127


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.usage = (
        "mayfly exec [-h] [--config FILE] [--token-file] [--allow-shadow] [--min-life 6h] [PROFILE] -- CMD ..."
    )
    parser.add_argument(
        "profile",
        metavar="PROFILE",
        nargs="?",
        help="default: $MAYFLY_PROFILE, else $AWS_PROFILE if it is one of ours, else the only one",
    )
    parser.add_argument(
        "--token-file",
        action="store_true",
        help="for object_store, polars and deltalake: set the token's file, not the token (old SDKs read none)",
    )
    parser.add_argument(
        "--allow-shadow", action="store_true", help="even if [default] in ~/.aws or ~/.boto wins over the profile"
    )
    min_life.add_argument(parser)
    parser.epilog = "Ends as CMD ends; 127 if there is no such command, 126 if it cannot be run."


def run(given: argparse.Namespace) -> NoReturn:
    """Become the command; raises Stop if it cannot be run."""
    chosen = target.find(given.config, given.profile, os.environ)
    changes = changes_to(chosen, given)
    variables = environment.applied(os.environ, changes)
    found = shadows.find(variables)
    if found and not given.allow_shadow:
        raise speech.Stop(
            speech.WRONG_USAGE,
            *found,
            hints=("rename that section there, or run the command all the same: mayfly exec --allow-shadow ...",),
        )
    if given.min_life:
        body = b'{"min_life_seconds": %d}' % given.min_life
        _have_credentials(daemon_calls.send("POST", _path(chosen.profile), None, body), chosen.profile, given.command)
    elif not found:  # else the command takes other credentials
        _try_to_have_credentials(chosen.profile, given.command)
    _become(given.command, variables)


def _try_to_have_credentials(profile: str, command: list[str]) -> None:
    """The command is run in any case: it may need no credentials, and asks for them by itself."""
    try:
        call = client.send("POST", _path(profile), answer_seconds=None)
    except (client.NotRunning, client.Distrusted, ConfigInvalid):
        return
    try:
        _have_credentials(call, profile, command)
    except speech.Stop as reason:
        for text in reason.errors:
            speech.warning(f"{profile}: {text}")
        for text in reason.hints:
            speech.hint(text)


def _path(profile: str) -> str:
    return f"/profiles/{profile}/obtain"


def _have_credentials(call: client.Call, profile: str, command: list[str]) -> None:
    """Wait for them; raises Stop if there are none."""
    waited_answer(call, profile, not_done=f"; {command[0]} was not run")


def _become(command: list[str], variables: dict[str, str]) -> NoReturn:
    _restore_signals()
    try:
        os.execvpe(command[0], command, variables)  # noqa: S606 - to run what the user asks for is the command's purpose
    except (OSError, ValueError) as reason:
        raise cannot_run(command[0], reason) from None


def cannot_run(name: str, reason: OSError | ValueError) -> speech.Stop:
    """The Stop for a command that the system did not start."""
    if isinstance(reason, (FileNotFoundError, NotADirectoryError)):
        return speech.Stop(NOT_FOUND, f"{name}: there is no such command")
    why = (isinstance(reason, OSError) and reason.strerror) or str(reason)
    return speech.Stop(NOT_EXECUTABLE, f"{name}: cannot be run: {why}")


def _restore_signals() -> None:
    """Python ignores these two signals, and the command would inherit that: `yes | head` would not end."""
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
