"""`mayfly credential-process`: prints a profile's credentials as AWS's `credential_process` wants them.

It runs for every `aws` command, so it imports little. It asks the control socket alone, at which a process of
this user must answer. Neither the usual config nor the process on the endpoint's port matters.
"""

from __future__ import annotations

from mayfly.cli import daemon_calls, speech
from mayfly.cli.waited_answer import waited_answer
from mayfly.shared.text import printable


TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


# By stages of `shared/stages.py`. Other programs show the line, among lines of their own.
_OTHER_WORDS = {"approve": "1Password waits for {names}: approve the prompt"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("profile", metavar="PROFILE")


def run(given: argparse.Namespace) -> int:
    """As `run_for`. Raises ConfigInvalid if the config that is named cannot be read."""
    if given.config:
        from mayfly.config import document
        from mayfly.shared import paths

        document.read(paths.config_file(given.config))
    return run_for(str(given.profile))


def run_for(profile: str) -> int:
    """Print the daemon's credentials, however long a human takes to approve, and say on stderr for what it waits."""
    call = daemon_calls.send_about(profile, "GET", "process", "{}", answer_seconds=None)
    # Told early, because Rust, Go and Kotlin end this process after 20 to 60 s, without a word of their own.
    advice = "; if this program gives up, run it again"
    body = waited_answer(call, profile, other=_OTHER_WORDS, advice=advice)
    print(printable(body.decode(errors="replace")))
    return speech.DONE
