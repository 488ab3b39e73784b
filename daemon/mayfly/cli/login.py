"""`mayfly login`: gets fresh credentials now, for all profiles at once, so that one approval serves them all."""

from __future__ import annotations

import argparse
import json

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mayfly.cli import client, daemon_calls, min_life, speech
from mayfly.cli.durations import format_duration, format_time
from mayfly.config import document
from mayfly.shared.errors import ConfigInvalid


# The daemon has its own config.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--through-lock", action="store_true", help="prompt even if the screen is locked, for this login only"
    )
    min_life.add_argument(parser)
    parser.add_argument("profiles", metavar="PROFILE", nargs="*", help="default: every profile without a source")


def run(given: argparse.Namespace) -> int:
    """Ask for all profiles, wait for all, and say what became of each."""
    status = daemon_calls.status(given.profiles)
    with daemon_calls.understood():
        daemon_calls.check_names(given.profiles, [row["profile"] for row in status["profiles"]])
        names = dict.fromkeys(given.profiles or without_source(status))
    wish = {"through_lock": True} if given.through_lock else {}
    wish |= {"min_life_seconds": given.min_life} if given.min_life else {}
    body = json.dumps(wish).encode() if wish else b""
    calls = {
        name: daemon_calls.send_about(name, "POST", "profiles", "{}", "login", answer_seconds=None, body=body)
        for name in names
    }
    # Imported while the daemon works.
    from mayfly.cli.waiting import Waiting

    answered = Waiting(calls, addition=", even if the screen is locked" if given.through_lock else "")
    failures = [failure for name, call in answered if (failure := _report(name, call))]
    for text in dict.fromkeys(hint for failure in failures for hint in failure.hints):
        speech.hint(text)
    return worst(failures)


def without_source(status: Mapping[str, Any]) -> list[str]:
    """The daemon's profiles that have keys of their own; all its profiles if its config cannot be read.

    A role needs no login: it is assumed when a client asks for it.
    """
    names = [row["profile"] for row in status["profiles"]]
    try:
        tables = document.read(daemon_calls.config_path(status)).tables("profiles")
    except ConfigInvalid:
        return names
    return [name for name in names if "source_profile" not in tables.get(name, {})]


def worst(failures: Sequence[speech.Stop]) -> int:
    """One exit code for all failures. A human who must act comes first, because nothing else helps then."""
    order = (speech.HUMAN_MUST_ACT, speech.NOT_RUNNING, speech.WRONG_USAGE, speech.FAILED)
    codes = {failure.exit_code for failure in failures}
    return next((code for code in order if code in codes), speech.DONE)


def _report(name: str, call: client.Call) -> speech.Stop | None:
    """Say what became of one profile; its failure, if it failed."""
    try:
        seconds = json.loads(daemon_calls.answer(call, name))["expires_in_seconds"]
    except speech.Stop as failure:
        for text in failure.errors:
            speech.error(f"{name}: {text}")
        return failure
    now = datetime.now(UTC).astimezone()
    print(
        f"{name}: fresh until {format_time(now + timedelta(seconds=seconds), now)} ({format_duration(seconds)})",
        flush=True,
    )
    return None
