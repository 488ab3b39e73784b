"""A shortest life: credentials that live so long, or new ones."""

from __future__ import annotations

import asyncio

import pytest

from mayfly.session.trigger import Trigger
from mayfly.shared.credentials import Credentials
from mayfly.shared.desk import Scene
from support.engine import AWAY, HOUR, LOCKED, NO, config, key, role
from support.stage import Stage, code, in_words, on_stage, outcome, staged


HOUSE = config(nsrc=key(), admin=role("nsrc"), each=role("nsrc", "each", mfa="each", duration_seconds=43_200))
BOTH = [Trigger.CLIENT, Trigger.PERSON]


async def obtain(stage: Stage, profile: str, hours: float, trigger: Trigger = Trigger.CLIENT) -> Credentials:
    """What `exec --min-life` (a client) and `login --min-life` (a person) ask for."""
    return await stage.keeper.obtain(profile, trigger, min_life_seconds=hours * HOUR)


@pytest.mark.parametrize("trigger", BOTH)
def test_what_lasts_is_enough(trigger: Trigger) -> None:
    """Nobody is asked while enough is left, and as soon as it is not; a session of the full length is enough, too."""

    async def play(stage: Stage) -> None:
        first = await obtain(stage, "nsrc", 8, trigger)
        stage.stepped_seconds += 2 * HOUR
        assert first is await obtain(stage, "nsrc", 5, trigger)
        assert first is not await obtain(stage, "nsrc", 7, trigger)
        assert 2 == len(stage.logins())

    on_stage(HOUSE, play)


@pytest.mark.parametrize("trigger", BOTH)
def test_what_cannot_last_is_refused_before_anybody_is_asked(trigger: Trigger) -> None:
    """The profile's duration, or AWS's hour for a chained role."""

    async def play(stage: Stage) -> None:
        refused = [await outcome(obtain(stage, name, hours, trigger)) for name, hours in (("nsrc", 9), ("admin", 6))]
        assert (["ConfigInvalid"] * 2, []) == ([code(each) for each in refused], stage.asked)
        assert 'mfa = "each"' in refused[1].hint

    on_stage(HOUSE, play)


@staged(HOUSE)
async def test_a_role_is_assumed_anew_without_a_prompt(stage: Stage) -> None:
    """Half an hour is left of the role, and the session below it is good for another."""
    await obtain(stage, "admin", 1)
    stage.stepped_seconds += HOUR / 2
    await obtain(stage, "admin", 0.75)
    assert ["login: nsrc admin", "assume: admin < nsrc"] == in_words(stage.asked)


@pytest.mark.parametrize(
    ("scene", "trigger", "found"),
    [
        (LOCKED, Trigger.CLIENT, "ScreenLocked"),
        (LOCKED, Trigger.PERSON, "ScreenLocked"),
        (AWAY, Trigger.CLIENT, "Credentials"),
    ],
)
def test_live_credentials_that_are_too_short_are_no_answer(scene: Scene, trigger: Trigger, found: str) -> None:
    """The reason is told instead, and the credentials stay for clients that need no more."""

    async def play(stage: Stage) -> None:
        await obtain(stage, "nsrc", 1)
        stage.stepped_seconds += 4 * HOUR
        stage.scene = scene
        assert found == code(await outcome(obtain(stage, "nsrc", 5, trigger)))
        assert stage.keeper.take("nsrc")

    on_stage(HOUSE, play)


@staged(HOUSE)
async def test_after_a_no_a_client_waits_and_a_person_does_not(stage: Stage) -> None:
    """A script that runs `exec --min-life` again and again raises no storm of prompts."""
    await obtain(stage, "nsrc", 1)
    stage.stepped_seconds += 4 * HOUR
    stage.outcomes["nsrc"] = NO
    clients = [code(await outcome(obtain(stage, "nsrc", 5))) for _ in range(10)]
    assert (["ApprovalDismissed"] * 10, 2) == (clients, len(stage.logins()))
    del stage.outcomes["nsrc"]
    assert "Credentials" == code(await outcome(obtain(stage, "nsrc", 5, Trigger.PERSON)))


@staged(HOUSE)
async def test_aws_may_give_less_than_was_asked_for(stage: Stage) -> None:
    """Root's session ends after an hour: it is kept, and is no answer to who needs four."""
    stage.lives_seconds[True] = HOUR
    refused = await outcome(obtain(stage, "nsrc", 4))
    assert ("DurationRefused", "AWS gave nsrc 3600 seconds, and 14400 are needed") == (code(refused), refused.message)
    assert stage.keeper.take("nsrc")


@staged(HOUSE)
async def test_a_crowd_that_needs_hours_costs_one_login(stage: Stage) -> None:
    """Single flight, also with clients that need nothing."""
    await obtain(stage, "nsrc", 1)
    stage.stepped_seconds += 4 * HOUR
    await asyncio.gather(*(obtain(stage, "nsrc", hours) for hours in (5, 6, 7, 0) * 5))
    assert 2 == len(stage.logins())
