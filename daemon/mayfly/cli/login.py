"""`mayfly login`: gets fresh credentials now, for all profiles at once, so that one approval serves them all."""

from __future__ import annotations

import argparse
import json
import math
import select

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mayfly.cli import client, daemon_calls, speech
from mayfly.cli.durations import format_duration, format_time
from mayfly.config import document
from mayfly.exchange.onepassword import prompt_mark
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid


QUIET_SECONDS = 0.3

# The daemon has its own config.
TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--through-lock", action="store_true", help="prompt even if the screen is locked, for this login only"
    )
    parser.add_argument("profiles", metavar="PROFILE", nargs="*", help="default: every profile without a source")


def run(given: argparse.Namespace) -> int:
    """Ask for all profiles, wait for all, and say what became of each."""
    status = daemon_calls.status()
    with daemon_calls.understood():
        daemon_calls.check_names(given.profiles, [row["profile"] for row in status["profiles"]])
        names = dict.fromkeys(given.profiles or without_source(status))
        wait = PromptWait(daemon_calls.config_path(status))
    body = json.dumps({"through_lock": True}).encode() if given.through_lock else b""
    calls = {
        name: daemon_calls.send_about(name, "POST", "profiles", "{}", "login", answer_seconds=None, body=body)
        for name in names
    }
    answered = _as_they_come(calls, wait, ", even if the screen is locked" if given.through_lock else "")
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


class PromptWait:
    """Seconds that the exchange waits before it starts `op`, because a code is sent once.

    The codes that were sent are read before the login is asked for: later its own codes are among them.
    """

    def __init__(self, config: Path) -> None:
        self._config = config
        try:
            self._sent = (paths.runtime_dir() / "op.lock").read_bytes()
        except OSError:
            self._sent = b""

    def left_seconds(self, names: Sequence[str], now: datetime) -> float:
        """The seconds from `now` for these profiles; 0 if the config cannot be read."""
        if not self._sent:
            return 0
        from mayfly.config.load import load
        from mayfly.exchange.onepassword.lock import Device, left_seconds

        try:
            found = load(self._config)
            ways = [(found.onepassword_of(name).account or "", found.keys_of(name).otp) for name in names]
        except (ConfigInvalid, KeyError):
            return 0
        return left_seconds(self._sent, [Device(*way) for way in ways], now)


def _as_they_come(
    calls: Mapping[str, client.Call], wait: PromptWait, addition: str = ""
) -> Iterator[tuple[str, client.Call]]:
    """Each profile and its call in the order of the answers; says for what it waits."""
    waiting = dict(calls)
    teller = _Teller(wait, addition)
    while waiting:
        ready = select.select(list(waiting.values()), [], [], teller.quiet_seconds)[0]
        if not ready:
            teller.tell(list(waiting))
        for name in [name for name, call in waiting.items() if call in ready]:
            yield name, waiting.pop(name)


class _Teller:
    """Says whether a person or AWS is waited for. `quiet_seconds`: until there may be more to say, if there may.

    A person is asked to approve a prompt only while an exchange runs an `op` that can have put it on the screen.
    `addition` ends a line about a prompt.
    """

    def __init__(self, wait: PromptWait, addition: str = "") -> None:
        self._addition = addition
        self._wait: PromptWait | None = wait
        self.quiet_seconds: float | None = QUIET_SECONDS

    def tell(self, names: Sequence[str]) -> None:
        """Say what has not been said about the profiles without an answer."""
        with daemon_calls.understood():
            rows = {row["profile"]: row for row in daemon_calls.status()["profiles"]}
            human = [name for name in names if "1Password" in rows[name]["next_step"]]
        seconds = self._wait.left_seconds(human, datetime.now(UTC)) if self._wait and human else 0
        is_up = bool(human) and not seconds and prompt_mark.is_prompting()
        if seconds:
            speech.say(
                f"a code counts once: the prompt for {', '.join(human)} comes in {math.ceil(seconds)} s{self._addition}"
            )
        elif is_up:
            speech.say(f"waiting for 1Password: approve the prompt for {', '.join(human)}{self._addition}")
        others = [name for name in names if name not in human] if self._wait else []
        if others:
            speech.say(f"waiting for AWS: {', '.join(others)}")
        self._wait = None
        self.quiet_seconds = seconds or (QUIET_SECONDS if human and not is_up else None)


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
