"""What a client asks for is started, however short the client's patience is."""

from __future__ import annotations

import asyncio

from datetime import datetime

import pytest

from mayfly.session.trigger import Requester, Trigger
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import ConfigChanged
from support.engine import LOCKED, WITH_ROLE, config, key, role
from support.stage import Stage, code, fetch, on_stage, outcome, staged


ROBOT = config(nsrc=key(onepassword="robot"), admin=role("nsrc"))


async def impatient(stage: Stage, profile: str, seconds: float) -> Credentials:
    """What the endpoint does for a client, with `cold_wait_seconds` of the config."""
    async with asyncio.timeout(seconds):
        return await stage.keeper.obtain(profile, Trigger.CLIENT, Requester(7))


@pytest.mark.parametrize("patience_seconds", [0, 0.5, 1.4])
@pytest.mark.parametrize("profile", ["nsrc", "admin"])
def test_a_client_that_has_no_patience_starts_a_login(profile: str, patience_seconds: float) -> None:
    """The desk answers after 1.5 s, and the client has gone by then: the login runs, and serves the next."""

    async def play(stage: Stage) -> None:
        stage.scene_takes_seconds = 1.5
        with pytest.raises(TimeoutError):
            await impatient(stage, profile, patience_seconds)
        await asyncio.sleep(10)
        assert stage.keeper.take(profile)
        assert 1 == len(stage.logins())
        assert [{"profile": profile, "inode": 7, "pid": 0}] == stage.log.told("approval.wanted")

    on_stage(WITH_ROLE, play)


def test_many_without_patience_are_one_login() -> None:
    """A client that comes back again and again while the desk is slow raises one prompt."""

    async def play(stage: Stage) -> None:
        stage.scene_takes_seconds = stage.takes_seconds = 5
        for _ in range(40):
            with pytest.raises(TimeoutError):
                await impatient(stage, "nsrc", 0.1)
        await asyncio.sleep(60)
        assert (1, 1, 1) == (len(stage.logins()), stage.looks, len(stage.log.told("approval.wanted")))

    on_stage(WITH_ROLE, play)


def test_a_keeper_that_has_been_asked_is_busy() -> None:
    """From the request to the answer, be it a refusal: an outdated daemon does not end in between."""

    async def play(stage: Stage) -> None:
        stage.scene, stage.scene_takes_seconds = LOCKED, 5
        waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
        busy = []
        for _ in range(2):
            await asyncio.sleep(1)
            busy.append(stage.keeper.is_busy)
        assert "ScreenLocked" == code(await waiting)
        assert [True, True, False] == [*busy, stage.keeper.is_busy]

    on_stage(WITH_ROLE, play)


def test_no_patience_asks_nobody_through_a_lock() -> None:
    """What is started behind a locked screen is what a patient client would have got: nothing."""

    async def play(stage: Stage) -> None:
        stage.scene, stage.scene_takes_seconds = LOCKED, 1.5
        with pytest.raises(TimeoutError):
            await impatient(stage, "nsrc", 1)
        await asyncio.sleep(60)
        assert ([], False) == (stage.asked, stage.keeper.is_busy)
        assert "ScreenLocked" == code(await outcome(fetch(stage, "nsrc")))

    on_stage(WITH_ROLE, play)


def test_a_profile_that_goes_after_its_client() -> None:
    """A reload during the look takes out the profile that an impatient client has asked for: nothing is started."""

    async def play(stage: Stage) -> None:
        stage.scene_takes_seconds = 5
        with pytest.raises(TimeoutError):
            await impatient(stage, "nsrc", 1)
        stage.keeper.adopt(config("d2", other=key("other")))
        await asyncio.sleep(60)
        assert ([], []) == (stage.asked, stage.log.told("task.failed"))

    on_stage(WITH_ROLE, play)


def test_who_is_asked_by_a_profile() -> None:
    """A desktop app asks a human, but not for a role on a live session; a service account never does."""

    async def of_a_person(stage: Stage) -> None:
        cold = [stage.keeper.asks_human(name) for name in ("nsrc", "admin")]
        await fetch(stage, "nsrc")
        assert [True, True] == cold
        assert [True, False] == [stage.keeper.asks_human(name) for name in ("nsrc", "admin")]

    async def of_a_machine(stage: Stage) -> None:
        assert [False, False] == [stage.keeper.asks_human(name) for name in ("nsrc", "admin")]

    on_stage(WITH_ROLE, of_a_person)
    on_stage(ROBOT, of_a_machine)


@staged(WITH_ROLE)
async def test_nobody_is_asked_by_a_profile_that_is_gone(stage: Stage) -> None:
    """Whether a person must approve cannot be said of it: a client that waited for it is told of the config."""
    stage.keeper.adopt(config("d2", other=key("other")))
    with pytest.raises(ConfigChanged):
        stage.keeper.asks_human("nsrc")


@pytest.mark.parametrize("trigger", [Trigger.CLIENT, Trigger.PERSON])
def test_a_fault_before_anything_is_started_is_told(trigger: Trigger) -> None:
    """The request is answered all the same, and so is the next one."""

    async def play(stage: Stage) -> None:
        stage.keeper._renewals._clock = faulty
        told = await outcome(stage.keeper.obtain("nsrc", trigger))
        stage.keeper._renewals._clock = stage.now
        assert ("ExchangeFailed", 1) == (code(told), len(stage.log.told("task.failed")))
        assert "Credentials" == code(await outcome(stage.keeper.obtain("nsrc", trigger)))

    def faulty() -> datetime:
        raise ZeroDivisionError("a fault")

    on_stage(WITH_ROLE, play)
