"""The words for each stage of a wait. Pure: stages and a time in, texts out.

Law: every text is true of its stage, and nobody is told to approve a prompt that is not up.
"""

from __future__ import annotations

import math

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mayfly.shared import stages


ELAPSED_SECONDS = 5
_SO_FAR = " so far"
_CUT = "..."

WORDS = {
    stages.TURN: "waiting for another login to end",
    stages.CONNECT: "connecting to AWS",
    stages.CODE: "waiting for the next one-time password, {left} s",
    stages.OP: "waiting for 1Password",
    stages.APPROVE: "waiting for 1Password: approve the prompt",
    stages.TOUCH: "waiting for otp_command, which may need a touch",
    stages.COMMAND: "waiting for otp_command",
    stages.AWS: "asking AWS",
    stages.START: "starting",
}
UNKNOWN = "waiting for the daemon"

# The stages before and at a prompt.
_PROMPTS = (stages.CODE, stages.OP, stages.APPROVE, stages.TOUCH)


class Seen(NamedTuple):
    """A stage as the daemon told it, "" if it told none; since when and until when by this process's clock."""

    stage: str
    since: float
    until: float | None = None


class Group(NamedTuple):
    """The profiles that wait for the same."""

    seen: Seen
    names: list[str]


def seen_of(stage: Mapping[str, Any], now: float) -> Seen:
    """A stage as the daemon's status tells it, which was made at `now`."""
    left = stage["left_seconds"]
    return Seen(str(stage["name"]), now - stage["since_seconds"], None if left is None else now + left)


def groups(waiting: Mapping[str, Seen]) -> list[Group]:
    """The profiles by what they wait for, in the order in which they come."""
    by_seen: dict[Seen, list[str]] = {}
    for name, seen in waiting.items():
        by_seen.setdefault(seen, []).append(name)
    return [Group(seen, names) for seen, names in by_seen.items()]


def words(group: Group, now: float, *, addition: str = "", other: Mapping[str, str] | None = None) -> str:
    """What these profiles wait for, with their names.

    `addition` ends a text about a prompt, `other` has texts with {names} in the place of WORDS.
    """
    seen, names = group.seen, ", ".join(group.names)
    named = f"{alone(seen, now)} for {names}" if seen.stage == stages.APPROVE else f"{alone(seen, now)} ({names})"
    text = (other or {}).get(seen.stage, "").format(names=names) or named
    return text + (addition if seen.stage in _PROMPTS else "")


def alone(seen: Seen, now: float) -> str:
    """What is waited for, for a line that begins with the profile's name."""
    left = max(1, math.ceil(seen.until - now)) if seen.until is not None else 0
    return WORDS.get(seen.stage, UNKNOWN).format(left=left)


def elapsed(seen: Seen, now: float) -> str:
    """How long it has taken so far, from five seconds on; nothing where the time that is left is told."""
    seconds = int(now - seen.since)
    return f", {seconds} s{_SO_FAR}" if seconds >= ELAPSED_SECONDS and seen.until is None else ""


def fitted(texts: Sequence[tuple[str, str]], room: int) -> str:
    """One line of `room` characters at most, of the words and the elapsed time of each group.

    Where it is too long, its end goes; but where a time is told, the prefix goes first, then the end of the words, and
    the first of the times stays.
    """
    line = "mayfly: " + "; ".join(words + time for words, time in texts)
    if len(line) <= room or not any(time for _, time in texts):
        return line[:room]
    short = [(words, time.removesuffix(_SO_FAR)) for words, time in texts]
    line = "; ".join(words + time for words, time in short)
    if len(line) <= room:
        return line
    time = next(time for _, time in short if time)
    cut = "; ".join(words for words, _ in short)[: max(0, room - len(time) - len(_CUT))]
    return f"{cut}{_CUT}{time}"[:room] if cut else time[:room]


def stopped(
    found: Iterable[Group], now: float, *, is_through_lock: bool = False, is_kept: bool = True
) -> Iterator[str]:
    """After Ctrl-C: the work that goes on without this command, and the work that does not.

    `is_kept`: the daemon keeps what AWS answers.
    """
    for seen, names in found:
        who = ", ".join(names)
        if seen.stage == stages.APPROVE:
            yield f"1Password's prompt for {who} is still up, and what you approve is kept"
        elif seen.stage in (stages.TOUCH, stages.COMMAND):
            yield f"otp_command still runs for {who}, and what it gives is used"
        elif seen.stage == stages.OP:
            yield f"1Password is still asked for {who}, and what it gives is kept"
        elif is_through_lock and seen.stage not in (stages.AWS, stages.CONNECT):
            yield f"1Password is asked for {who} all the same, unless the screen is locked"
        elif seen.stage == stages.CODE and seen.until is not None:
            yield f"1Password is asked for {who} all the same, in {max(1, math.ceil(seen.until - now))} s"
        elif is_kept:
            yield f"the daemon goes on getting {who}"


def dropped_by(names: Sequence[str]) -> str:
    """The command that has the daemon drop what comes."""
    return f"to drop what comes: mayfly forget {' '.join(names)}"
