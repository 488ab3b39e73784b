"""A reload while somebody waits: sessions that get another name, and those that are taken away."""

from __future__ import annotations

import asyncio

import pytest

from mayfly.config.model import Config
from mayfly.session.trigger import Trigger
from support.engine import HOUR, LOCKED, ONE, WITH_ROLE, WITH_TWIN, at, config, credentials, key, role
from support.stage import Stage, code, digests, fetch, login, on_stage, outcome, staged


@pytest.mark.parametrize("seconds", [0.001, 0.5])
def test_who_waits_goes_on_waiting_under_another_name(seconds: float) -> None:
    """Whether the exchange is starting or under way, it serves all clients under the new names."""

    async def play(stage: Stage) -> None:
        waiting = [asyncio.ensure_future(fetch(stage, name)) for name in ("nsrc", "admin")]
        await asyncio.sleep(seconds)
        stage.keeper.adopt(WITH_TWIN)
        got = [*(await asyncio.gather(*waiting)), await fetch(stage, "twin")]
        assert [stage.keeper.take(name) for name in ("nsrc", "admin", "twin")] == got
        assert (1, False) == (len(stage.asked), stage.keeper.is_busy)

    on_stage(WITH_ROLE, play)


@staged(ONE)
async def test_a_renewal_serves_the_profile_that_has_its_origin_now(stage: Stage) -> None:
    """The profile became a role above its old self: its client asks again, and the session belongs to the base."""
    waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    stage.keeper.adopt(config("d2", base=key(), nsrc=role("base")))
    refused = await waiting
    await asyncio.sleep(2)
    assert ("ConfigChanged", "ask again") == (code(refused), refused.hint)
    assert (True, None) == (stage.keeper.take("base") is not None, stage.keeper.take("nsrc"))


@staged(ONE)
async def test_a_profile_that_goes_while_its_twin_stays(stage: Stage) -> None:
    """The session comes for the twin; the client of the removed profile is told."""
    stage.script = lambda _: [stage.result("nsrc", credentials(at(HOUR)))]
    waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    stage.keeper.adopt(config("d2", twin=key()))
    told = code(await waiting)
    await asyncio.sleep(2)
    assert ("ConfigChanged", True) == (told, stage.keeper.take("twin") is not None)


AWAY_FROM_NSRC = {
    "renamed": config("d2", other=key()),
    "removed": config("d2", other=key("other")),
    "another session": config("d2", other=key(), nsrc=key("other")),
}


@pytest.mark.parametrize("trigger", [Trigger.CLIENT, Trigger.PERSON])
@pytest.mark.parametrize("after", AWAY_FROM_NSRC.values(), ids=list(AWAY_FROM_NSRC))
def test_who_waits_for_what_a_reload_takes_away_is_told_at_once(after: Config, trigger: Trigger) -> None:
    """The exchange still waits for a person: who asked for the old profile waits for it no longer."""

    async def play(stage: Stage) -> None:
        stage.takes_seconds = HOUR
        waiting = asyncio.ensure_future(outcome(stage.keeper.obtain("nsrc", trigger)))
        await asyncio.sleep(10)
        stage.keeper.adopt(after)
        assert ("ConfigChanged", 10) == (code(await waiting), round(stage.loop.time()))

    on_stage(ONE, play)


@pytest.mark.parametrize("after", [AWAY_FROM_NSRC["renamed"], AWAY_FROM_NSRC["another session"]])
def test_what_is_renamed_on_the_way_lives_on_for_others(after: Config) -> None:
    """Its client is told, and who asks for the new name is served by the exchange that is under way."""

    async def play(stage: Stage) -> None:
        stage.takes_seconds = 60
        waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
        await asyncio.sleep(10)
        stage.keeper.adopt(after)
        got = await fetch(stage, "other")
        assert ("ConfigChanged", 1, 60) == (code(await waiting), len(stage.asked), round(stage.loop.time()))
        assert got == stage.keeper.take("other")

    on_stage(ONE, play)


@pytest.mark.parametrize("trigger", [Trigger.CLIENT, Trigger.PERSON])
def test_a_slow_desk_delays_no_word_of_a_reload(trigger: Trigger) -> None:
    """The profile is removed during the look at the desk: who asked for it hears so before the look is over."""

    async def play(stage: Stage) -> None:
        stage.scene_takes_seconds = 5
        waiting = asyncio.ensure_future(outcome(stage.keeper.obtain("nsrc", trigger)))
        await asyncio.sleep(1)
        stage.keeper.adopt(AWAY_FROM_NSRC["removed"])
        assert ("ConfigChanged", 1) == (code(await waiting), round(stage.loop.time()))

    on_stage(ONE, play)


@staged(ONE)
async def test_a_reload_during_the_look_that_gives_the_profile_another_session(stage: Stage) -> None:
    """Nothing was started yet: the client gets the session for which the profile stands now."""
    stage.scene_takes_seconds = 5
    waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(1)
    stage.keeper.adopt(AWAY_FROM_NSRC["another session"])
    assert ("Credentials", ["d2"]) == (code(await waiting), digests(stage))
    assert (True, None) == (stage.keeper.take("nsrc") is not None, stage.keeper.take("other"))


@staged(WITH_ROLE)
async def test_a_role_that_is_called_otherwise_before_it_was_asked_for(stage: Stage) -> None:
    """The role comes under its new name; the client of the old name is told."""
    await fetch(stage, "nsrc")
    waiting = asyncio.ensure_future(outcome(fetch(stage, "admin")))
    await asyncio.sleep(0.001)
    stage.keeper.adopt(config("d2", nsrc=key(), boss=role("nsrc")))
    told = code(await waiting)
    await asyncio.sleep(2)
    assert ("ConfigChanged", True) == (told, stage.keeper.take("boss") is not None)


@staged(config(first=key("first", onepassword="work"), nsrc=key()))
async def test_what_a_person_wants_they_want_under_another_name(stage: Stage) -> None:
    """`--through-lock` still holds for a queued login after a reload has renamed it."""
    waiting = [asyncio.ensure_future(login(stage, name, through_lock=True)) for name in ("first", "nsrc")]
    await asyncio.sleep(0.5)
    stage.keeper.adopt(config("d2", first=key("first", onepassword="work"), twin=key(), nsrc=key()))
    stage.scene = LOCKED
    await asyncio.gather(*waiting)
    assert ["d1", "d2"] == digests(stage)


@staged(config(nsrc=key(), deploy=role("nsrc", mfa="each")))
async def test_who_waits_for_the_next_code_gets_it_under_another_name(stage: Stage) -> None:
    """A role that waits for a one-time password is renamed, and comes all the same."""
    waiting = [asyncio.ensure_future(outcome(fetch(stage, name))) for name in ("nsrc", "deploy")]
    await asyncio.sleep(0.5)
    stage.keeper.adopt(config("d2", nsrc=key(), release=role("nsrc", mfa="each")))
    assert ["Credentials", "ConfigChanged"] == [code(each) for each in await asyncio.gather(*waiting)]
    await asyncio.sleep(60)
    assert (True, False) == (stage.keeper.take("release") is not None, stage.keeper.is_busy)
