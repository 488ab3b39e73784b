"""Waiting for the daemon's answers, and telling meanwhile what is waited for.

The daemon tells its stages: once by its status, then by its events. On a terminal they are one line, which is erased
(interaction goes, answers stay); elsewhere each is a line of its own, and none comes twice. Imported where an answer is
late: the commands of every `aws` call do without.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from mayfly.cli import client, daemon_calls, speech, stage_words
from mayfly.cli.stage_words import Group, Seen
from mayfly.cli.terminal import USUAL_COLUMNS, Terminal
from mayfly.shared import stages
from mayfly.shared.text import printable


# How long a stage must last before it gets a line that stays. Most stages are over before that.
_MOMENTS = {"": 3.0, stages.START: 3.0, stages.CONNECT: 1.0}
_NEXT_MOMENTS = {stages.AWS: 1.0}
_TICK_SECONDS = 1.0

_EVENT = "exchange.stage_reached"


class Waiting:
    """The calls that are waited for, by profile; iterates over both in the order of the answers.

    `quiet_seconds`: nothing is told before. `addition` ends a text about a prompt, `advice` every line; `other` has
    texts in the place of `stage_words.WORDS`. `not_done` is said after Ctrl-C: what this command will not do now.
    `is_kept`: the daemon keeps what AWS answers after that.
    """

    def __init__(
        self,
        calls: Mapping[str, client.Call],
        *,
        quiet_seconds: float = daemon_calls.QUIET_SECONDS,
        addition: str = "",
        advice: str = "",
        other: Mapping[str, str] | None = None,
        not_done: str = "",
        is_kept: bool = True,
    ) -> None:
        self._waiting = dict(calls)
        self._addition = addition
        self._not_done = not_done
        self._is_kept = is_kept
        self._started = time.monotonic()
        self._stages: _Stages | None = None
        show = _Words(addition, other, advice)
        self._line: _Line = _ErasableLine(show) if _terminal().can_move else _Lines(show)
        self._first_at = self._started + quiet_seconds

    def __iter__(self) -> Iterator[tuple[str, client.Call]]:
        """Each profile and its call; raises Stop if the daemon is silent, and KeyboardInterrupt after its words."""
        try:
            while self._waiting:
                for name in self._answered():
                    self._line.erase()
                    yield name, self._waiting.pop(name)
                if self._waiting and time.monotonic() >= self._first_at:
                    self._tell()
        except KeyboardInterrupt:
            self._line.erase()
            self._say_what_goes_on()
            raise
        finally:
            self._line.erase()
            if self._stages:
                self._stages.close()

    def _answered(self) -> list[str]:
        """Wait until there is an answer, or more to tell; the profiles that have one."""
        sources: list[client.Call | _Stages] = [*self._waiting.values()]
        if self._stages and self._stages.is_open:
            sources.append(self._stages)
        ready = select.select(sources, [], [], self._rest_seconds())[0]
        if self._stages and self._stages in ready:
            self._stages.read()
        return [name for name, call in self._waiting.items() if call in ready]

    def _rest_seconds(self) -> float | None:
        now = time.monotonic()
        if self._stages is None:
            return max(0.0, self._first_at - now)
        return self._line.rest_seconds(self._groups(), now)

    def _groups(self) -> list[Group]:
        unknown = Seen("", self._started)
        found = self._stages.seen if self._stages else {}
        return stage_words.groups({name: found.get(name, unknown) for name in self._waiting})

    def _tell(self) -> None:
        if self._stages is None:
            self._stages = _Stages()
            if not self._stages.open() and not select.select(list(self._waiting.values()), [], [], 0)[0]:
                raise self._stages.problem
        self._line.tell(self._groups(), time.monotonic())

    def _say_what_goes_on(self) -> None:
        """Look once more before: the last stage that was told may be over."""
        if client.daemon_ends_with_us:
            speech.say("stopped waiting: the daemon that was started for this ends, and 1Password's prompt with it")
            return
        fresh = _Stages()
        if fresh.look(answer_seconds=2):
            self._stages = fresh
        is_through_lock = bool(self._addition)
        speech.say(f"stopped waiting{self._not_done}")
        for text in stage_words.stopped(
            self._groups(), time.monotonic(), is_through_lock=is_through_lock, is_kept=self._is_kept
        ):
            speech.say(text)
        if self._is_kept:
            speech.hint(stage_words.dropped_by(list(self._waiting)))


class _Stages:
    """What each profile waits for: by the daemon's status, then by its events, until their stream ends."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self.problem = speech.Stop(speech.FAILED)
        self._events: client.Call | None = None
        self._received = b""

    @property
    def is_open(self) -> bool:
        return self._events is not None

    def fileno(self) -> int:
        """For `select`."""
        return self._events.fileno() if self._events else -1

    def open(self) -> bool:
        """Listen to events, then look, so that none is missed. False, with the `problem`, if no daemon answers."""
        try:
            self._events = daemon_calls.send("GET", "/events", None)
        except speech.Stop as problem:
            self.problem = problem
            return False
        is_answered = self.look()
        # Events from before the look are older than the status that it saw.
        while self._events and select.select([self], [], [], 0)[0]:
            self.read()
        return is_answered

    def look(self, answer_seconds: float | None = None) -> bool:
        """Ask for the status. False, with the `problem`, if there is none."""
        try:
            call = daemon_calls.send("GET", "/status", answer_seconds or client.ANSWER_SECONDS)
            status = daemon_calls.tree(daemon_calls.answer(call))
            with daemon_calls.understood():
                found = {str(row["profile"]): row.get("stage") for row in status["profiles"]}
                now = time.monotonic()
                self.seen |= {name: stage_words.seen_of(stage, now) for name, stage in found.items() if stage}
        except speech.Stop as problem:
            self.problem = problem
            return False
        return True

    def read(self) -> None:
        """Take in the events that have come."""
        try:
            block = self._events.read() if self._events else b""
            self._received += block
            *whole, self._received = self._received.split(b"\n\n")
            for text in whole:
                self._note(text)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            block = b""
        if not block:
            # Without events nothing is known any more.
            self.close()
            self.seen.clear()

    def _note(self, text: bytes) -> None:
        data = next((line[6:] for line in text.split(b"\n") if line.startswith(b"data: ")), b"{}")
        event = json.loads(data)
        if event.get("event") == _EVENT:
            seen = stage_words.seen_of({"name": event["stage"], "since_seconds": 0} | event, time.monotonic())
            for name in event["profiles"]:
                if name not in self.seen or self.seen[name].stage != seen.stage or seen.until:
                    self.seen[str(name)] = seen

    def close(self) -> None:
        if self._events:
            self._events.close()
        self._events = None


class _Words:
    """The texts for a line."""

    def __init__(self, addition: str, other: Mapping[str, str] | None, advice: str) -> None:
        self._addition = addition
        self._other = other
        self.advice = advice

    def of(self, group: Group, now: float) -> str:
        return printable(stage_words.words(group, now, addition=self._addition, other=self._other))


class _Line(Protocol):
    """The place where the wait is told."""

    def tell(self, found: Sequence[Group], now: float) -> None:
        """Tell what is waited for now."""

    def rest_seconds(self, found: Sequence[Group], now: float) -> float | None:
        """Seconds until there is something else to tell, even if nothing happens; None if there is not."""

    def erase(self) -> None:
        """Leave the terminal as it was."""


class _Lines:
    """A line for each stage, where lines stay."""

    def __init__(self, words: _Words) -> None:
        self._words = words
        self._told: set[tuple[str, Seen]] = set()

    def tell(self, found: Sequence[Group], now: float) -> None:
        for seen, names in found:
            new = [name for name in names if (name, seen) not in self._told]
            if new and now >= self._due(seen):
                self._told |= {(name, seen) for name in new}
                speech.say(self._words.of(Group(seen, new), now) + self._words.advice)

    def rest_seconds(self, found: Sequence[Group], now: float) -> float | None:
        new = [seen for seen, names in found if any((name, seen) not in self._told for name in names)]
        return min((max(0.0, self._due(seen) - now) for seen in new), default=None)

    def _due(self, seen: Seen) -> float:
        moment = _MOMENTS.get(seen.stage, daemon_calls.QUIET_SECONDS)
        if self._told:
            moment = _NEXT_MOMENTS.get(seen.stage, moment)
        return seen.since + moment

    def erase(self) -> None:
        """Lines stay."""


class _ErasableLine:
    """One line of a terminal, drawn anew each second."""

    def __init__(self, words: _Words) -> None:
        self._words = words
        self._is_shown = False

    def tell(self, found: Sequence[Group], now: float) -> None:
        texts = [(self._words.of(group, now), stage_words.elapsed(group.seen, now)) for group in found]
        # A line that wraps could not be erased whole; the terminal itself adds "^C" to it.
        room = max(0, (_terminal().columns or USUAL_COLUMNS) - len("^C") - 1)
        self._write(f"\r\x1b[K{stage_words.fitted(texts, room)}")
        self._is_shown = True

    def rest_seconds(self, found: Sequence[Group], now: float) -> float | None:
        return _TICK_SECONDS if self._is_shown else 0.0

    def erase(self) -> None:
        if self._is_shown:
            self._write("\r\x1b[K")
            self._is_shown = False

    @staticmethod
    def _write(text: str) -> None:
        # A terminal that has gone takes nothing, and the answer is waited for all the same.
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


def _terminal() -> Terminal:
    """The terminal as it is now: its size may change at any time."""
    return Terminal.at(sys.stderr, os.environ)
