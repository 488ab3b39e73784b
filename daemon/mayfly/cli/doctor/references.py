"""The references, with `--ask` alone: 1Password is asked for all of them, by a child that says whether they resolve."""

from __future__ import annotations

import asyncio

from collections.abc import Iterator

from mayfly.cli import speech
from mayfly.cli.doctor import children, desk
from mayfly.cli.doctor.check import Check, failure, of_advice, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.config.model import Config, KeyProfile
from mayfly.shared.desk import Presence


CHILD = "mayfly.cli.doctor.references_child"
# Beside the time of `op`: another exchange's `op`, whose end is waited for.
MARGIN_SECONDS = 120


def checks(facts: Facts) -> Iterator[Check]:
    """A check for each profile with keys; none without `--ask`, or without a config."""
    if not facts.asks or facts.config is None:
        return
    names = key_profiles(facts.config)
    asks_human = any(facts.config.onepassword_of(name).asks_human for name in names)
    if asks_human and asyncio.run(desk.presence()) is Presence.LOCKED:
        yield warning("references", "not asked: the screen is locked, and no prompt comes through it")
        return
    if asks_human:
        speech.say(f"asking 1Password for the references of {', '.join(names)}: approve its prompt when it comes")
    yield from _asked(facts, facts.config, names)


def key_profiles(config: Config) -> list[str]:
    """The profiles with references of their own."""
    return [name for name, profile in config.profiles.items() if isinstance(profile, KeyProfile)]


def seconds_for(config: Config, names: list[str]) -> float:
    """The time in which the child must end: each `op` has its own, and may have to run once for each profile."""
    return MARGIN_SECONDS + sum(config.onepassword_of(name).timeout_seconds + MARGIN_SECONDS for name in names)


def _asked(facts: Facts, config: Config, names: list[str]) -> Iterator[Check]:
    words = (str(facts.config_file), *names)
    try:
        answers = list(children.answers(CHILD, words, facts.environ, seconds=seconds_for(config, names)))
    except children.Silent as reason:
        yield failure("references", f"1Password could not be asked: {reason}")
        return
    found = {answer.get("profile"): answer for answer in answers}
    for name in names:
        answer = found.get(name, {"message": "1Password could not be asked"})
        if answer.get("resolves") is True:
            yield ok(f"references.{name}", "each reference resolves to a value of the right kind")
        else:
            check = of_advice(f"references.{name}", str(answer.get("message")), str(answer.get("hint") or ""))
            yield check if check.hint else check._replace(hint=facts.edit())
