"""`mayfly login`: fresh credentials now. All profiles are asked for together, so that one approval opens them all."""

from __future__ import annotations

import argparse
import json
import select

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mayfly import client, document
from mayfly.cli import asking, speech
from mayfly.cli.spans import clock_time, span
from mayfly.errors import ConfigInvalid


QUIET_SECONDS = 0.3


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("profiles", metavar="PROFILE", nargs="*", help="default: every profile without a source")


def run(given: argparse.Namespace) -> int:
    """Ask for all, wait for all, and tell of each."""
    status = asking.status()
    asking.check_names(given.profiles, [row["profile"] for row in status["profiles"]])
    names = dict.fromkeys(given.profiles or without_source(status))
    calls = {name: asking.send_about(name, "POST", "profiles", "{}", "login", answer_seconds=None) for name in names}
    failures = [failure for name, call in _as_they_come(calls) if (failure := _tell(name, call))]
    for text in dict.fromkeys(hint for failure in failures for hint in failure.hints):
        speech.hint(text)
    return worst(failures)


def without_source(status: Mapping[str, Any]) -> list[str]:
    """The daemon's profiles that have keys of their own, by the config that it runs on; all, where that is unreadable.

    A role needs no login: it is assumed when somebody asks for it.
    """
    names = [row["profile"] for row in status["profiles"]]
    try:
        tables = document.read(Path(status["config"])).tables("profiles")
    except ConfigInvalid:
        return names
    return [name for name in names if "source_profile" not in tables.get(name, {})]


def worst(failures: Sequence[speech.Stop]) -> int:
    """One exit code for all: a human who is needed comes first, because nothing else helps then."""
    order = (speech.HUMAN_MUST_ACT, speech.NOT_RUNNING, speech.WRONG_USAGE, speech.FAILED)
    codes = {failure.exit_code for failure in failures}
    return next((code for code in order if code in codes), speech.DONE)


def _as_they_come(calls: Mapping[str, client.Call]) -> Iterator[tuple[str, client.Call]]:
    """Every profile and its call, the first answered first; says whom it waits for, if it has to wait."""
    waiting = dict(calls)
    said = False
    while waiting:
        ready = select.select(list(waiting.values()), [], [], None if said else QUIET_SECONDS)[0]
        if not ready:
            _say_what_is_awaited(list(waiting))
            said = True
        for name in [name for name, call in waiting.items() if call in ready]:
            yield name, waiting.pop(name)


def _say_what_is_awaited(names: Sequence[str]) -> None:
    """The daemon knows whether a person is asked, or only AWS."""
    rows = {row["profile"]: row for row in asking.status()["profiles"]}
    human = [name for name in names if "1Password" in rows[name]["next_step"]]
    others = [name for name in names if name not in human]
    if human:
        speech.say(f"waiting for 1Password: approve the prompt for {', '.join(human)}")
    if others:
        speech.say(f"waiting for AWS: {', '.join(others)}")


def _tell(name: str, call: client.Call) -> speech.Stop | None:
    """Say what came of one profile; its failure, if it is one."""
    try:
        seconds = json.loads(asking.checked(asking.received(call), name))["expires_in_seconds"]
    except speech.Stop as failure:
        for text in failure.errors:
            speech.error(f"{name}: {text}")
        return failure
    now = datetime.now(UTC).astimezone()
    print(f"{name}: fresh until {clock_time(now + timedelta(seconds=seconds), now)} ({span(seconds)})", flush=True)
    return None
