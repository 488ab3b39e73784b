"""`mayfly status`: shows which credentials are fresh, what is next, and what went wrong."""

from __future__ import annotations

import argparse
import os
import sys

from collections.abc import Mapping
from shlex import quote
from typing import Any

from mayfly.cli import daemon_calls, speech
from mayfly.cli.status_page import page
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--json", action="store_true", help="the daemon's whole status, for scripts")


def run(given: argparse.Namespace) -> int:
    """Show the daemon's status."""
    status = daemon_calls.status()
    if given.json:
        speech.print_json(status, indent=2)
        return speech.DONE
    with daemon_calls.understood():
        status["notes"] = [*_notes_of_shell(status), *status["notes"]]
        lines = page(status, is_coloured=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    print("\n".join(lines))
    return speech.DONE


def _notes_of_shell(status: Mapping[str, Any]) -> list[str]:
    """A note if this shell's commands read another config than the daemon: a new token of theirs opens nothing."""
    theirs = daemon_calls.config_path(status)
    try:
        ours = paths.config_file()
        # The daemon's own rule may lead to this shell's config, as after a new config.toml: then it says so itself.
        if ours == theirs or any(str(ours) in note for note in status["notes"]) or ours.samefile(theirs):
            return []
    except (ConfigInvalid, OSError):
        return []
    return [f"this shell takes {ours}, the daemon {theirs}: export MAYFLY_CONFIG={quote(str(theirs))}"]
