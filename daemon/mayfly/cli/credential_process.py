"""`mayfly credential-process`: a profile's credentials in the shape that `credential_process` wants."""

from __future__ import annotations

import argparse
import os

from contextlib import suppress

from mayfly import document, paths
from mayfly.cli import asking, speech, squatters
from mayfly.errors import ConfigInvalid


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("profile", metavar="PROFILE")


def run(given: argparse.Namespace) -> int:
    """Print what the daemon has, however long a human takes to approve."""
    squatters.refuse_squatted(_port(given.config))
    print(asking.about(given.profile, "GET", "process", "{}", answer_seconds=None).decode())
    return speech.DONE


def _port(config: str | None) -> int:
    """The port where our daemon ought to be; what is wrong with the usual config is for `serve` to say."""
    configured = None
    if config:
        document.read(paths.config_file(config))
    if not os.environ.get("MAYFLY_LISTEN"):
        with suppress(ConfigInvalid):
            configured = document.read(paths.config_file(config)).tree.get("listen")
    with suppress(ValueError):
        return paths.listen_address(None, configured if isinstance(configured, str) else None)[1]
    return paths.default_address()[1]
