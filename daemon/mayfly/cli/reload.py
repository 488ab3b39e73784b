"""`mayfly reload`: the daemon takes over a changed config, and tokens that have changed."""

from __future__ import annotations

import argparse
import json

from pathlib import Path

from mayfly.cli import daemon_calls, speech
from mayfly.cli.aws_config import aws_config
from mayfly.config import document


# The daemon is asked, which has its own.
TAKES_CONFIG = False


def arguments(_parser: argparse.ArgumentParser) -> None:
    """What this command takes: nothing."""


def run(_given: argparse.Namespace) -> int:
    """Have it read; and say where the profiles in `~/.aws/config` are not those of the config any more."""
    path = take_over()
    print(f"took over {path}")
    for note in daemon_calls.status()["notes"]:
        speech.say(f"note: {note}")
    if aws_config.is_behind(document.read(Path(path))):
        speech.hint("the profiles in ~/.aws/config have changed: mayfly aws-config --write")
    return speech.DONE


def take_over() -> str:
    """Have the daemon read its config and the tokens; the config's path. Raises Stop where it cannot, or will not."""
    told = json.loads(daemon_calls.checked(daemon_calls.received(daemon_calls.send("POST", "/reload"))))
    return str(told["config"])
