"""`mayfly reload`: has the daemon read its config and the tokens again."""

from __future__ import annotations

import argparse
import json

from pathlib import Path

from mayfly.cli import daemon_calls, speech
from mayfly.cli.aws_config import aws_config
from mayfly.config import document


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(_parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def run(_given: argparse.Namespace) -> int:
    """Reload, and say if the profiles in `~/.aws/config` no longer match the config."""
    path = reload()
    print(f"took over {path}")
    for note in daemon_calls.status()["notes"]:
        speech.say(f"note: {note}")
    if aws_config.is_behind(document.read(Path(path))):
        speech.hint("the profiles in ~/.aws/config have changed: mayfly aws-config --write")
    return speech.DONE


def reload() -> str:
    """Have the daemon read its config and the tokens; the config's path. Raises Stop if the daemon refuses."""
    reply = json.loads(daemon_calls.ask("POST", "/reload"))
    return str(reply["config"])
