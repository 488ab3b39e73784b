"""`mayfly reload`: the daemon takes over a changed config, and tokens that have changed."""

from __future__ import annotations

import argparse
import json

from mayfly.cli import asking, speech


def arguments(_parser: argparse.ArgumentParser) -> None:
    """What this command takes: nothing."""


def run(_given: argparse.Namespace) -> int:
    """Have it read."""
    print(f"took over {take_over()}")
    return speech.DONE


def take_over() -> str:
    """Have the daemon read its config and the tokens; the config's path. Raises Stop where it cannot, or will not."""
    told = json.loads(asking.checked(asking.received(asking.send("POST", "/reload"))))
    return str(told["config"])
