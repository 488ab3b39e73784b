"""The words for what is waited for. Pure: stages and a time in, texts out.

Law: every text is true of its stage, and nobody is told to approve a prompt that is not up.
"""

from __future__ import annotations

import math

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mayfly.shared import stages


ELAPSED_SECONDS = 5

WORDS = {
    stages.TURN: "waiting for another login to end ({names})",
    stages.CONNECT: "connecting to AWS ({names})",
    stages.CODE: "waiting for the next one-time password, {left} s ({names})",
    stages.OP: "waiting for 1Password ({names})",
    stages.APPROVE: "waiting for 1Password: approve the prompt for {names}",
    stages.AWS: "asking AWS ({names})",
    stages.START: "starting ({names})",
}
UNKNOWN = "waiting for the daemon ({names})"

# The stages before and at a prompt.
_PROMPTS = (stages.CODE, stages.OP, stages.APPROVE)


class Seen(NamedTuple):
    """A stage as the daemon told it, "" if it told none; since when and until when by this process's clock."""

    stage: str
    since: float
    until: float | None = None


class Group(NamedTuple):
    """The profiles that wait for the same."""

    seen: Seen
    names: list[str]


def groups(waiting: Mapping[str, Seen]) -> list[Group]:
    """The profiles by what they wait for, in the order in which they come."""
    by_seen: dict[Seen, list[str]] = {}
    for name, seen in waiting.items():
        by_seen.setdefault(seen, []).append(name)
    return [Group(seen, names) for seen, names in by_seen.items()]


def words(group: Group, now: float, *, addition: str = "", other: Mapping[str, str] | None = None) -> str:
    """What these profiles wait for; `addition` ends a text about a prompt, `other` has texts in the place of WORDS."""
    seen = group.seen
    known = {**WORDS, **(other or {})}
    left = max(1, math.ceil(seen.until - now)) if seen.until is not None else 0
    text = known.get(seen.stage, UNKNOWN).format(names=", ".join(group.names), left=left)
    return text + (addition if seen.stage in _PROMPTS else "")


def elapsed(seen: Seen, now: float) -> str:
    """How long it has taken so far, from five seconds on; nothing where the time that is left is told."""
    seconds = int(now - seen.since)
    return f", {seconds} s so far" if seconds >= ELAPSED_SECONDS and seen.until is None else ""


def stopped(found: Iterable[Group], now: float, *, is_through_lock: bool = False) -> Iterator[str]:
    """After Ctrl-C: what goes on without this command, and what does not."""
    for seen, names in found:
        who = ", ".join(names)
        if seen.stage == stages.APPROVE:
            yield f"1Password's prompt for {who} is still up, and what you approve is kept"
        elif seen.stage == stages.OP:
            yield f"1Password is still asked for {who}, and what it gives is kept"
        elif is_through_lock and seen.stage not in (stages.AWS, stages.CONNECT):
            yield f"1Password is asked for {who} all the same, unless the screen is locked"
        elif seen.stage == stages.CODE and seen.until is not None:
            yield f"1Password is asked for {who} all the same, in {max(1, math.ceil(seen.until - now))} s"
        else:
            yield f"the daemon goes on getting {who}"


def dropped_by(names: Sequence[str]) -> str:
    """The command that has the daemon drop what comes."""
    return f"to drop what comes: mayfly forget {' '.join(names)}"
