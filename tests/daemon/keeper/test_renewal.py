"""Renewals before the end, by the clock and by clients; and how long AWS's credentials are believed to live."""

import asyncio

from datetime import timedelta

import pytest

from mayfly.session.trigger import Requester, Trigger
from mayfly.shared.desk import Scene
from mayfly.shared.errors import (
    AwsThrottled,
)
from mayfly.shared.wire import Request, Result
from support.engine import (
    AWAY,
    DUE,
    HOUR,
    LOCKED,
    NO,
    ONE,
    config,
    key,
    role,
)
from support.stage import Stage, code, fetch, in_words, login, on_stage, outcome, staged


@staged(config(nsrc=key(), twin=key(refresh="on-demand")))
async def test_who_raises_a_prompt_is_told_by_the_name_that_they_asked_for(stage: Stage) -> None:
    """The prompt is announced under the profile that was asked for, with the socket of the first client."""
    await stage.keeper.obtain("twin", Trigger.CLIENT, Requester(7))
    stage.stepped_seconds = DUE + 60
    for inode in (8, 9):
        stage.keeper.take("twin", Requester(inode))
    await asyncio.sleep(2)
    told = [{"profile": "twin", "inode": inode, "pid": 0} for inode in (7, 8)]
    assert (told, 2) == (stage.log.told("approval.wanted"), len(stage.logins()))


@staged(ONE)
async def test_what_raises_no_prompt_is_not_announced(stage: Stage) -> None:
    """No prompt is announced for a client that may not prompt, nor for one that waits for a prompt on the screen."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    stage.outcomes["nsrc"] = NO
    await asyncio.gather(
        login(stage, "nsrc"), outcome(stage.keeper.obtain("nsrc", Trigger.CLIENT)), return_exceptions=True
    )
    stage.keeper.take("nsrc", Requester(8))
    await asyncio.sleep(1)
    stage.scene = LOCKED
    await asyncio.sleep(60)
    stage.keeper.take("nsrc", Requester(9))
    await asyncio.sleep(1)
    assert ([], 2) == (stage.log.told("approval.wanted")[1:], len(stage.logins()))


@staged(ONE)
async def test_a_client_is_served_while_a_refresh_runs(stage: Stage) -> None:
    """Inside the window a fetch is answered at once with live credentials, and starts one refresh."""
    old = await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    first, second = stage.keeper.take("nsrc"), stage.keeper.take("nsrc")
    await asyncio.sleep(0.5)
    third = stage.keeper.take("nsrc")
    await asyncio.sleep(1)
    new = stage.keeper.take("nsrc")
    assert ([old] * 3, True, 2) == ([first, second, third], new != old, len(stage.asked))


@staged(ONE)
async def test_a_client_is_served_while_a_refresh_fails(stage: Stage) -> None:
    """A refresh that fails leaves the live credentials in place."""
    old = await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    stage.outcomes["nsrc"] = NO
    stage.keeper.take("nsrc")
    await asyncio.sleep(2)
    assert old == await fetch(stage, "nsrc")


@staged(ONE)
async def test_in_the_window_a_client_that_waits_is_content_with_the_old(stage: Stage) -> None:
    """While credentials are live, a failed `obtain` returns them to a client, and raises its error for a person."""
    old = await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    stage.outcomes["nsrc"] = NO
    content = await outcome(stage.keeper.obtain("nsrc", Trigger.CLIENT))
    person = await outcome(login(stage, "nsrc"))
    assert (old, NO) == (content, person)


@staged(ONE)
async def test_polling_through_a_refusal_asks_the_desk_seldom(stage: Stage) -> None:
    """Clients that are served from DUE credentials, and may not prompt yet, cost no look at the desk."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    stage.outcomes["nsrc"] = NO
    stage.keeper.take("nsrc")
    await asyncio.sleep(2)
    looks = stage.looks
    for _ in range(100):
        stage.keeper.take("nsrc")
        await asyncio.sleep(0.1)
    assert (looks, 2) == (stage.looks, len(stage.asked))


@staged(ONE)
async def test_polling_at_a_locked_screen_looks_once_a_second(stage: Stage) -> None:
    """However many clients ask, the desk is asked once a second at most."""
    stage.scene = LOCKED
    codes = set()
    for _ in range(100):
        codes.add(code(await outcome(fetch(stage, "nsrc"))))
        await asyncio.sleep(0.1)
    assert ({"ScreenLocked"}, 0) == (codes, len(stage.asked))
    assert 8 <= stage.looks <= 11


@staged(ONE)
async def test_the_clock_renews_what_is_in_use(stage: Stage) -> None:
    """With `run` and clients that poll, a profile never has less than 19 minutes left."""
    work = asyncio.ensure_future(stage.keeper.run())
    for _ in range(100):
        got = await fetch(stage, "nsrc")
        assert got.expiration - stage.now() >= timedelta(minutes=19)
        await asyncio.sleep(900)
    work.cancel()
    assert ["login: nsrc"] * 4 == in_words(stage.asked)


@staged(ONE)
async def test_the_clock_lets_go_of_what_nobody_uses(stage: Stage) -> None:
    """After one fetch the session is renewed once, and then no more. A person's login does not count as use."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    await asyncio.sleep(40 * HOUR)
    used = len(stage.asked)
    await login(stage, "nsrc")
    await asyncio.sleep(40 * HOUR)
    work.cancel()
    assert (2, 3) == (used, len(stage.asked))


@staged(ONE)
async def test_an_idle_daemon_looks_for_nobody(stage: Stage) -> None:
    """With no session in use, a day costs no look at the desk and no exchange."""
    work = asyncio.ensure_future(stage.keeper.run())
    await asyncio.sleep(24 * HOUR)
    work.cancel()
    assert (0, 0) == (stage.looks, stage.launched)


@staged(config(nsrc=key(onepassword="robot"), admin=role("nsrc")))
async def test_a_service_account_needs_nobody(stage: Stage) -> None:
    """A service account's sessions are always fresh, also behind a lock, and the desk is never asked."""
    stage.scene = LOCKED
    work = asyncio.ensure_future(stage.keeper.run())
    await asyncio.sleep(5)
    for _ in range(24 * 6):
        assert all(row.phase in {"fresh", "due"} for row in stage.keeper.status())
        await asyncio.sleep(600)
    work.cancel()
    assert (0, 4) == (stage.looks, len(stage.logins()))


@staged(ONE)
async def test_a_night_asleep_ends_at_the_unlock(stage: Stage) -> None:
    """Nine hours of suspend behind a lock: no prompt while locked, one at the first look after the unlock."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    stage.scene, stage.stepped_seconds = LOCKED, 9 * HOUR
    await asyncio.sleep(600)
    locked = len(stage.asked)
    stage.scene = Scene(unlocked_at=stage.now())
    await asyncio.sleep(31)
    work.cancel()
    assert (1, 2, "fresh") == (locked, len(stage.asked), stage.keeper.status()[0].phase)


@staged(ONE)
async def test_nobody_there_nobody_asked(stage: Stage) -> None:
    """Nobody is present from the window to long after the end: no prompt is raised before a client asks."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    stage.scene = AWAY
    await asyncio.sleep(10 * HOUR)
    absent = len(stage.asked)
    await fetch(stage, "nsrc")
    work.cancel()
    assert (1, 2) == (absent, len(stage.asked))


@staged(ONE)
async def test_a_laptop_asleep_while_the_answer_came_is_no_skew(stage: Stage) -> None:
    """Credentials whose answer was read nine hours late have expired, and are not served."""

    def answer(request: Request) -> list[Result]:
        fresh = stage.result("nsrc", stage.fresh("nsrc"))
        fresh = Result(profile="nsrc", outcome=fresh.outcome, aws_at=stage.now())
        stage.stepped_seconds += 9 * HOUR
        return [fresh]

    stage.script = answer
    assert "ExchangeFailed" == code(await outcome(fetch(stage, "nsrc")))


@pytest.mark.parametrize("skew", [-3600.0, 3600.0, 1.0, -1.0, 0.0])
def test_skew_is_read_from_the_answer(skew: float) -> None:
    """An hour fast or slow, the life is what AWS gave, less the time that the answer took; a second is noise."""

    async def play(stage: Stage) -> None:
        stage.skew_seconds = skew
        await fetch(stage, "nsrc")
        row = stage.keeper.status()[0]
        told = 0 if abs(skew) < 2 else skew
        assert row.skew_seconds == pytest.approx(told, abs=2)
        assert row.expires_in_seconds == pytest.approx(8 * HOUR, abs=3)

    on_stage(ONE, play)


@pytest.mark.parametrize("years", [-56, -1])
def test_a_date_of_long_ago_lengthens_no_life(years: int) -> None:
    """AWS gives no longer life than it was asked for, with any date on its answer."""

    async def play(stage: Stage) -> None:
        stage.script = lambda request: [
            Result(profile=name, outcome=stage.fresh(name), aws_at=stage.now() + timedelta(days=365 * years))
            for name in request.subjects
        ]
        await fetch(stage, "nsrc")
        row = stage.keeper.status()[0]
        assert 0 <= row.expires_in_seconds - 8 * HOUR <= 60
        stage.stepped_seconds = 8 * HOUR + 61
        assert stage.keeper.take("nsrc") is None

    on_stage(ONE, play)


@staged(config(nsrc=key(onepassword="robot"), admin=role("nsrc", duration_seconds=900)))
async def test_a_role_s_life_is_its_own(stage: Stage) -> None:
    """Each profile's own duration limits the life that is believed, for a role as for its base."""
    await fetch(stage, "admin")
    lives = {row.profile: row.expires_in_seconds for row in stage.keeper.status()}
    assert {"nsrc": pytest.approx(8 * HOUR, abs=60), "admin": pytest.approx(960, abs=2)} == lives


def windows(stage: Stage) -> set[float]:
    """How long before its end each session is due."""
    return {
        (row.expiration - row.due_at).total_seconds() for row in stage.keeper.status() if row.expiration and row.due_at
    }


@pytest.mark.parametrize(("way", "window"), [("robot", 75 * 60), (None, 20 * 60)])
def test_machines_are_spread_and_people_are_not(way: str | None, window: float) -> None:
    """Machines' sessions that came together are due within a minute, never late; those of people at once."""

    async def play(stage: Stage) -> None:
        names = [f"p{number}" for number in range(20)]
        await asyncio.gather(*(fetch(stage, name) for name in names))
        early = [seconds - window for seconds in windows(stage)]
        assert all(0 <= seconds <= 60 for seconds in early)
        assert (1 if way is None else 20) == len(early)

    on_stage(config(**{f"p{number}": key(f"k{number}", onepassword=way) for number in range(20)}), play)


@staged(config(**{f"p{number}": key(f"k{number}", onepassword="robot") for number in range(20)}))
async def test_retries_of_machines_are_spread(stage: Stage) -> None:
    """Sessions that were throttled together retry after delays of their own, from 2.5 s to 5 s."""
    stage.outcomes = {f"p{number}": AwsThrottled("slow down") for number in range(20)}
    await asyncio.gather(*(outcome(fetch(stage, name)) for name in stage.outcomes))
    waits = [stage.keeper._ledger[name].retry_after_seconds for name in stage.outcomes]
    assert 20 == len(set(waits))
    assert all(2.5 <= seconds <= 5 for seconds in waits)
