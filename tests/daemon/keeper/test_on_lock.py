"""`on_lock`: what the lock of the screen keeps back, what it drops, and for whom."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from mayfly.config.model import Config
from mayfly.session.screen_lock import LOOK_SECONDS
from mayfly.shared.desk import Presence, Scene
from support.engine import AWAY, HERE, HOUR, LOCKED, NO, config, key, role
from support.stage import Stage, code, fetch, login, on_stage, outcome, staged


def house(on_lock: str, **others: str) -> Config:
    """Keys and a role upon them, both with `on_lock`."""
    return config(nsrc=key(on_lock=on_lock, **others), admin=role("nsrc", on_lock=on_lock))


async def lock(stage: Stage, scene: Scene = LOCKED) -> None:
    """Change the scene, and let the last look grow old."""
    stage.scene = scene
    await asyncio.sleep(2)


@pytest.mark.parametrize("profile", ["nsrc", "admin"])
@pytest.mark.parametrize(
    ("on_lock", "behind", "afterwards", "logins"),
    [("keep", "Credentials", "old", 1), ("withhold", "ScreenLocked", "old", 1), ("forget", "ScreenLocked", "new", 2)],
)
def test_what_a_client_gets(on_lock: str, behind: str, afterwards: str, logins: int, profile: str) -> None:
    """While it is locked, with hours of life left, and after the unlock."""

    async def play(stage: Stage) -> None:
        before = await fetch(stage, profile)
        await lock(stage)
        assert [behind] * 2 == [code(await outcome(fetch(stage, profile))) for _ in range(2)]
        await lock(stage, HERE)
        after = await outcome(fetch(stage, profile))
        assert (afterwards, logins) == ("old" if after is before else "new", len(stage.logins()))

    on_stage(house(on_lock), play)


@pytest.mark.parametrize("scene", [HERE, AWAY])
@pytest.mark.parametrize("on_lock", ["withhold", "forget"])
def test_only_a_lock_keeps_anything_back(on_lock: str, scene: Scene) -> None:
    """Nobody at the machine is no lock."""

    async def play(stage: Stage) -> None:
        before = await fetch(stage, "nsrc")
        await lock(stage, scene)
        assert before is await fetch(stage, "nsrc")

    on_stage(house(on_lock), play)


@staged(house("withhold"))
async def test_a_desk_that_falls_silent_unlocks_nothing(stage: Stage) -> None:
    """Presence stays as it was last seen, as for prompts: a laptop that wakes up behind its lock hands nothing out."""
    await fetch(stage, "nsrc")
    await lock(stage)
    await outcome(fetch(stage, "nsrc"))
    stage.scene, stage.scene_takes_seconds = HERE, 100 * HOUR
    await asyncio.sleep(2)
    assert "ScreenLocked" == code(await outcome(fetch(stage, "nsrc")))


@staged(house("forget"))
async def test_the_lock_alone_drops_what_must_not_outlive_it(stage: Stage) -> None:
    """No client needs to ask: seconds after the lock the sessions are gone, and the log says why."""
    await fetch(stage, "admin")
    stage.run()
    await asyncio.sleep(60)
    stage.scene = LOCKED
    await asyncio.sleep(LOOK_SECONDS + 1)
    assert ["empty", "empty"] == [row.phase for row in stage.keeper.status()]
    assert [("admin", "lock"), ("nsrc", "lock")] == sorted(
        (facts["profile"], facts["cause"]) for facts in stage.log.told("session.forgotten")
    )
    assert b"" == stage.keeper.snapshot()


@staged(config(nsrc=key(onepassword="robot", on_lock="forget"), admin=role("nsrc")))
async def test_behind_the_lock_the_clock_gets_nothing_back(stage: Stage) -> None:
    """A service account needs nobody, and still nothing comes before the unlock; then it comes by itself."""
    stage.run()
    await asyncio.sleep(60)
    stage.scene = LOCKED
    await asyncio.sleep(HOUR)
    behind = len(stage.logins())
    assert "ScreenLocked" == code(await outcome(fetch(stage, "admin")))
    assert ("empty", 1) == (stage.keeper.status()[0].phase, len(stage.logins()))
    stage.scene = HERE
    await asyncio.sleep(60)
    assert (1, "fresh") == (behind, stage.keeper.status()[0].phase)


@pytest.mark.parametrize("through_lock", [False, True])
@pytest.mark.parametrize("onepassword", ["work", "robot"])
def test_a_login_behind_the_lock_would_be_dropped(onepassword: str, through_lock: bool) -> None:
    """So it is refused, and nobody is asked in vain."""

    async def play(stage: Stage) -> None:
        await lock(stage)
        assert "ScreenLocked" == code(await outcome(login(stage, "nsrc", through_lock=through_lock)))
        assert [] == stage.asked

    on_stage(house("forget", onepassword=onepassword), play)


@pytest.mark.parametrize("on_lock", ["withhold", "forget"])
def test_who_waits_while_the_screen_is_locked_gets_nothing(on_lock: str) -> None:
    """The prompt was approved, and then the screen was locked: what comes is not handed out behind it."""

    async def play(stage: Stage) -> None:
        stage.takes_seconds = 30
        waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
        await asyncio.sleep(20)
        stage.scene = LOCKED
        assert "ScreenLocked" == code(await waiting)
        await lock(stage, HERE)
        assert ("withhold" == on_lock) is await is_there(stage)

    on_stage(house(on_lock), play)


@staged(house("forget"))
async def test_what_comes_behind_a_known_lock_is_not_even_kept(stage: Stage) -> None:
    """A client has seen the lock while the exchange ran: its result is dropped as it comes."""
    stage.takes_seconds = 30
    first = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(20)
    stage.scene = LOCKED
    second = await outcome(fetch(stage, "nsrc"))
    assert ["ScreenLocked"] * 2 == [code(second), code(await first)]
    assert ([], "empty") == (stage.log.told("session.refreshed"), stage.keeper.status()[0].phase)


async def is_there(stage: Stage) -> bool:
    """Whether a client gets credentials without another login."""
    before = len(stage.logins())
    await outcome(fetch(stage, "nsrc"))
    return before == len(stage.logins())


@staged(config(open=key(), shut=key(on_lock="withhold"), gone=key("gone", on_lock="forget"), twin=key("gone")))
async def test_profiles_of_one_session(stage: Stage) -> None:
    """Each profile withholds for itself; what one of them forgets is gone for all."""
    await asyncio.gather(fetch(stage, "open"), fetch(stage, "gone"))
    await lock(stage)
    found = {name: code(await outcome(fetch(stage, name))) for name in ("open", "shut", "gone", "twin")}
    assert {"open": "Credentials"} | dict.fromkeys(("shut", "gone", "twin"), "ScreenLocked") == found


@staged(config(nsrc=key(on_lock="forget"), admin=role("nsrc")))
async def test_a_role_outlives_its_source_behind_the_lock(stage: Stage) -> None:
    """`on_lock` counts for the profile that has it: the role is served to its end, and not renewed."""
    await fetch(stage, "admin")
    await lock(stage)
    assert "ScreenLocked" == code(await outcome(fetch(stage, "nsrc")))
    assert "Credentials" == code(await outcome(fetch(stage, "admin")))
    stage.stepped_seconds += HOUR
    assert "ScreenLocked" == code(await outcome(fetch(stage, "admin")))


@staged(house("keep"))
async def test_a_reload_changes_what_the_lock_does(stage: Stage) -> None:
    """The session goes on, and the new word counts from the next request on."""
    before = await fetch(stage, "nsrc")
    await lock(stage)
    stage.keeper.adopt(attrs.evolve(house("withhold"), digest="d2"))
    refused = await outcome(fetch(stage, "nsrc"))
    stage.keeper.adopt(attrs.evolve(house("keep"), digest="d3"))
    assert ("ScreenLocked", before) == (code(refused), await fetch(stage, "nsrc"))


@staged(house("withhold"))
async def test_whoever_asks_often_shares_a_look(stage: Stage) -> None:
    """A thousand requests within a second cost one look at the desk."""
    await fetch(stage, "nsrc")
    await asyncio.sleep(2)
    looks = stage.looks
    await asyncio.gather(*(fetch(stage, "nsrc") for _ in range(1000)))
    assert looks + 1 == stage.looks
    assert stage.keeper.take("nsrc")


# The first unlock of a day


TOPPED_UP = config(nsrc=key(top_up=True, duration_seconds=86_400), other=key("other", duration_seconds=86_400))


async def until_the_morning(stage: Stage) -> None:
    """Work until six, lock, and come back at eight."""
    stage.lives_seconds[True] = 24 * HOUR
    stage.run()
    await asyncio.gather(fetch(stage, "nsrc"), fetch(stage, "other"))
    for hour in range(20):
        stage.scene = Scene(presence=Presence.LOCKED if hour >= 6 else Presence.PRESENT)
        await asyncio.sleep(HOUR)
    stage.scene = Scene(unlocked_at=stage.now(), day_began_at=stage.now())


@staged(TOPPED_UP)
async def test_the_first_unlock_of_a_day_tops_up(stage: Stage) -> None:
    """What would end at noon is asked for when the person comes, once, and no other profile is."""
    await until_the_morning(stage)
    logins = len(stage.logins())
    await asyncio.sleep(60)
    assert [{"nsrc"}] == [asked.profiles for asked in stage.logins()[logins:]]
    rows = {row.profile: row.expires_in_seconds for row in stage.keeper.status()}
    assert (True, True) == (rows["nsrc"] > 23 * HOUR, rows["other"] < 4 * HOUR)
    await asyncio.sleep(2 * HOUR)
    assert logins + 1 == len(stage.logins())


@staged(TOPPED_UP)
async def test_a_top_up_that_is_refused_is_not_asked_for_again(stage: Stage) -> None:
    """A "no" at the unlock leaves the session as it is; the next prompt is the usual one, before the end."""
    await until_the_morning(stage)
    stage.outcomes["nsrc"] = NO
    logins = len(stage.logins())
    await asyncio.sleep(60)
    del stage.outcomes["nsrc"]
    await asyncio.sleep(3 * HOUR)
    assert logins + 1 == len(stage.logins())
    assert stage.keeper.take("nsrc")
