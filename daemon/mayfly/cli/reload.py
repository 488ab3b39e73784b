"""`mayfly reload`: has the daemon read its config and the tokens again."""

from __future__ import annotations

import argparse

from pathlib import Path

from mayfly.cli import daemon_calls, speech
from mayfly.cli.aws_config import aws_config
from mayfly.config import document
from mayfly.shared.text import printable


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(_parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def run(_given: argparse.Namespace) -> int:
    """Reload, and say if the profiles in `~/.aws/config` no longer match the config."""
    path = reload()
    print(printable(f"took over {path}"))
    with daemon_calls.understood():
        notes = list(daemon_calls.status()["notes"])
    for note in notes:
        speech.say(f"note: {note}")
    if aws_config.is_behind(document.read(path)):
        speech.hint("the profiles in ~/.aws/config have changed: mayfly aws-config --write")
    return speech.DONE


def reload() -> Path:
    """Have the daemon read its config and the tokens; the config's path. Raises Stop if the daemon refuses."""
    with daemon_calls.understood():
        return daemon_calls.config_path(daemon_calls.tree(daemon_calls.ask("POST", "/reload")))
