"""A desk that does not answer: the look ends all the same, and presence stays as it was."""

from __future__ import annotations

import asyncio

from typing import Any

from mayfly.shared.desk import ANSWER_SECONDS
from support.engine import HERE, HOUR, LOCKED, NO_MFA, ONE, config, key
from support.stage import Stage, code, fetch, login, outcome, staged


PATIENCE_SECONDS = 4 * ANSWER_SECONDS


@staged(ONE)
async def test_a_desk_that_never_answers_holds_nobody_up(stage: Stage) -> None:
    """Clients and a person are served after the deadline as if somebody were there, and the next look is a new one."""
    stage.scene_takes_seconds = 100 * HOUR
    client = await outcome(fetch(stage, "nsrc"))
    served_after_seconds = stage.loop.time()
    person = await outcome(login(stage, "nsrc"))
    stage.scene, stage.scene_takes_seconds = LOCKED, 0
    await asyncio.sleep(2)
    refused = await outcome(login(stage, "nsrc"))

    assert ["Credentials", "Credentials", "ScreenLocked"] == [code(each) for each in (client, person, refused)]
    assert served_after_seconds < PATIENCE_SECONDS + stage.takes_seconds + 1
    assert [] == stage.log.told("task.failed")


ROBOT: dict[str, Any] = {"onepassword": "robot", "otp": None, "otp_command": ("ykman",)}


@staged(config(touch=key("a", **ROBOT), alone=key("b", otp_unattended=True, **ROBOT), plain=key("c", **ROBOT | NO_MFA)))
async def test_a_command_that_may_need_a_touch_is_a_prompt(stage: Stage) -> None:
    """With a service account 1Password asks nobody. A key that wants a touch does, unless the config says otherwise."""
    stage.scene = LOCKED
    found = {name: code(await outcome(fetch(stage, name))) for name in ("touch", "alone", "plain")}

    assert {"touch": "ScreenLocked", "alone": "Credentials", "plain": "Credentials"} == found
    assert {"touch": "while-used", "alone": "always", "plain": "always"} == {
        row.profile: row.refresh for row in stage.keeper.status()
    }


@staged(ONE)
async def test_a_desk_that_stops_answering_unlocks_nothing(stage: Stage) -> None:
    """The screen was locked when the desk last answered, so it is locked until the desk says otherwise."""
    stage.scene = LOCKED
    before = await outcome(fetch(stage, "nsrc"))
    stage.scene, stage.scene_takes_seconds = HERE, 100 * HOUR
    await asyncio.sleep(2)
    silent = await outcome(fetch(stage, "nsrc"))
    stage.scene_takes_seconds = 0
    await asyncio.sleep(2)
    after = await outcome(fetch(stage, "nsrc"))

    assert ["ScreenLocked", "ScreenLocked", "Credentials"] == [code(each) for each in (before, silent, after)]


@staged(ONE)
async def test_a_crowd_shares_a_look_that_is_not_answered(stage: Stage) -> None:
    """All who ask during a look wait for the same one."""
    stage.scene, stage.scene_takes_seconds = LOCKED, 100 * HOUR
    crowd = await asyncio.gather(*(outcome(fetch(stage, "nsrc")) for _ in range(20)))

    assert ({"Credentials"}, 1) == ({code(each) for each in crowd}, stage.looks)
