"""The end of an engine: who is waited for, and who is asked no more."""

import asyncio

import pytest

from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import MayflyError
from support.engine import HOUR, WITH_ROLE, config, key
from support.stage import Stage, fetch, on_stage, outcome, staged


DRAIN_SECONDS = 5


async def drained(stage: Stage) -> float:
    """Wind up and drain, as the daemon does; how long that took."""
    before = stage.loop.time()
    stage.keeper.wind_up()
    await stage.keeper.drain(DRAIN_SECONDS)
    return stage.loop.time() - before


@staged(WITH_ROLE)
async def test_what_is_on_its_way_is_waited_for(stage: Stage) -> None:
    """The daemon waits for the answer to a prompt on the screen, and no longer than that."""
    stage.takes_seconds = 3
    waiting = asyncio.ensure_future(outcome(fetch(stage, "admin")))
    await asyncio.sleep(1)

    seconds = await drained(stage)

    assert isinstance(await waiting, Credentials)
    assert 1.9 < seconds < 2.2
    assert 0 == await drained(stage)


@staged(WITH_ROLE)
async def test_a_prompt_that_takes_too_long_is_not_waited_for(stage: Stage) -> None:
    """After five seconds the daemon ends, and the waiting client is told."""
    stage.takes_seconds = 60
    work = asyncio.ensure_future(stage.keeper.run())
    waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(1)

    seconds = await drained(stage)
    work.cancel()

    assert DRAIN_SECONDS == round(seconds)
    assert "stopping" == (await waiting).message.split()[-1]


@staged(WITH_ROLE)
async def test_nobody_is_asked_any_more(stage: Stage) -> None:
    """Once the daemon winds up, no client, person or clock raises or announces a prompt."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = 8 * HOUR
    work = asyncio.ensure_future(stage.keeper.run())
    stage.keeper.wind_up()
    late = [await outcome(fetch(stage, name)) for name in ("nsrc", "admin")]
    await asyncio.sleep(60)
    work.cancel()

    assert ["stopping"] * 2 == [error.message.split()[-1] for error in late if isinstance(error, MayflyError)]
    assert 1 == len(stage.asked)
    assert 1 == len(stage.log.told("approval.wanted"))


@pytest.mark.parametrize("passes", [0, 1, 2, 10])
def test_a_client_that_waits_for_the_desk_is_told_of_the_end(passes: int) -> None:
    """The daemon ends before the desk has said who is present: the client learns that, and nothing of a fault."""

    async def play(stage: Stage) -> None:
        stage.scene_takes_seconds = 5
        work = asyncio.ensure_future(stage.keeper.run())
        await asyncio.sleep(1)
        waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
        for _ in range(passes):
            await asyncio.sleep(0)
        work.cancel()

        assert "the daemon is stopping" == (await waiting).message
        assert [] == stage.asked

    on_stage(WITH_ROLE, play)


@staged(config(nsrc=key(onepassword="robot")))
async def test_who_needs_nobody_is_still_served(stage: Stage) -> None:
    """A login that asks no human may begin in the last seconds."""
    stage.keeper.wind_up()
    fetching = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0)
    await drained(stage)

    assert isinstance(await fetching, Credentials)


@staged(WITH_ROLE)
async def test_a_daemon_that_stops_answers_who_waits(stage: Stage) -> None:
    """At the end every client is told, no exchange goes on, and none is started."""
    work = asyncio.ensure_future(stage.keeper.run())
    waiting = [asyncio.ensure_future(outcome(fetch(stage, name))) for name in ("nsrc", "admin", "nsrc")]
    await asyncio.sleep(0.5)
    work.cancel()
    results = await asyncio.gather(*waiting)
    late = await outcome(fetch(stage, "nsrc"))
    assert ["stopping"] * 4 == [result.message.split()[-1] for result in (*results, late)]
    assert ([], 1) == (stage.busy, stage.launched)
    assert [] == stage.log.told("session.refresh_failed")
