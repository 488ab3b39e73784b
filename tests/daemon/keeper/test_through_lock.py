"""`mayfly login --through-lock`: one request may be answered through a locked screen, and nobody else's."""

from __future__ import annotations

import asyncio

from contextlib import suppress

import pytest

from mayfly.config.model import Config
from mayfly.shared.desk import Scene
from support.engine import HERE, HOUR, LOCKED, NO, config, key, role
from support.stage import Stage, code, fetch, login, on_stage, outcome, staged


HOUSE = config(nsrc=key(), admin=role("nsrc"), other=key("other", onepassword="work"))
ROBOT = config(nsrc=key(onepassword="robot"), admin=role("nsrc"), other=key("other", onepassword="work"))


@pytest.mark.parametrize("profile", ["nsrc", "admin"])
def test_a_login_obeys_the_lock(profile: str) -> None:
    """Without `--through-lock` a person is told that the screen is locked, nobody is asked, and nothing is forgiven."""

    async def play(stage: Stage) -> None:
        stage.outcomes["nsrc"] = NO
        await outcome(fetch(stage, profile))
        before = stage.keeper._ledger["nsrc"]
        stage.scene = LOCKED
        await asyncio.sleep(2)
        refused = await outcome(login(stage, profile))
        assert ("ScreenLocked", True, 403) == (code(refused), refused.needs_human, refused.http_status)
        assert (1, before) == (len(stage.asked), stage.keeper._ledger["nsrc"])

    on_stage(HOUSE, play)


@pytest.mark.parametrize("profile", ["nsrc", "admin"])
def test_a_login_through_the_lock_is_asked_for(profile: str) -> None:
    """With it the person is asked at once, also after failures."""

    async def play(stage: Stage) -> None:
        stage.outcomes["nsrc"] = NO
        await outcome(fetch(stage, profile))
        del stage.outcomes["nsrc"]
        stage.scene = LOCKED
        assert "Credentials" == code(await outcome(login(stage, profile, through_lock=True)))

    on_stage(HOUSE, play)


@pytest.mark.parametrize(("found", "profile"), [(HOUSE, "admin"), (ROBOT, "nsrc"), (ROBOT, "admin")])
def test_where_nobody_is_asked_there_is_no_lock(found: Config, profile: str) -> None:
    """A role on a live session, and a service account, are got behind any lock."""

    async def play(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        stage.scene = LOCKED
        await asyncio.sleep(2)
        assert "Credentials" == code(await outcome(login(stage, profile)))

    on_stage(found, play)


# How the request through the lock may end.
ENDS = ["granted", "no login needed", "refused", "cancelled", "reload"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("profile", ["nsrc", "admin"])
def test_the_next_client_is_not_asked_through_the_lock(end: str, profile: str) -> None:
    """However the request ended, it leaves no mark: a client whose exchange has to wait finds the screen locked."""

    async def play(stage: Stage) -> None:
        await ended(stage, end, profile)
        stage.stepped_seconds += 9 * HOUR
        stage.outcomes.clear()
        stage.scene = HERE
        await asyncio.sleep(2)
        stage.waits_for_leave, stage.takes_seconds = True, 25
        asked = len(stage.asked)
        waiting = asyncio.ensure_future(outcome(fetch(stage, profile)))
        await asyncio.sleep(5)
        stage.scene = LOCKED
        assert "ScreenLocked" == code(await waiting)
        assert (1, 0) == (len(stage.asked) - asked, stage.leaves)

    on_stage(HOUSE, play)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("profile", ["nsrc", "admin"])
def test_the_next_client_does_not_wait_its_turn_through_the_lock(end: str, profile: str) -> None:
    """Nor is a client asked whose turn comes behind the lock, after a login of another account."""

    async def play(stage: Stage) -> None:
        await ended(stage, end, profile)
        stage.stepped_seconds += 9 * HOUR
        stage.outcomes.clear()
        stage.scene = HERE
        await asyncio.sleep(2)
        stage.takes_seconds = 25
        first = asyncio.ensure_future(outcome(fetch(stage, "other")))
        await asyncio.sleep(5)
        second = asyncio.ensure_future(outcome(fetch(stage, profile)))
        await asyncio.sleep(5)
        stage.scene = LOCKED
        assert ["Credentials", "ScreenLocked"] == [code(each) for each in await asyncio.gather(first, second)]

    on_stage(HOUSE, play)


async def ended(stage: Stage, end: str, profile: str) -> None:
    """A login through the lock, over by now."""
    if end == "no login needed":
        await fetch(stage, "nsrc")
    if end == "refused":
        stage.outcomes["nsrc"] = NO
    stage.scene = LOCKED
    await asyncio.sleep(2)
    going = asyncio.ensure_future(outcome(login(stage, profile, through_lock=True)))
    if end in {"cancelled", "reload"}:
        await asyncio.sleep(0.5)
    if end == "cancelled":
        going.cancel()
    if end == "reload":
        stage.keeper.adopt(config("d2", other=key("other", onepassword="work")))
        stage.keeper.adopt(HOUSE)
    with suppress(asyncio.CancelledError):
        await going
    await asyncio.sleep(10)


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_a_request_that_has_gone_before_anybody_was_asked(seconds: float) -> None:
    """A person who gives up in the first moment, behind the lock, is not asked any more."""

    async def play(stage: Stage) -> None:
        stage.scene = LOCKED
        going = asyncio.ensure_future(login(stage, "nsrc", through_lock=True))
        await asyncio.sleep(seconds)
        going.cancel()
        await asyncio.sleep(60)
        assert ([], False) == (stage.asked, stage.keeper.is_busy)

    on_stage(HOUSE, play)


@staged(HOUSE)
async def test_a_request_that_has_gone_while_its_exchange_waits(stage: Stage) -> None:
    """The exchange waits for the next one-time password, and the person gives up meanwhile: it asks nobody."""
    stage.scene, stage.waits_for_leave, stage.takes_seconds = LOCKED, True, 25
    going = asyncio.ensure_future(login(stage, "nsrc", through_lock=True))
    await asyncio.sleep(5)
    going.cancel()
    await asyncio.sleep(60)
    assert (1, 0, False) == (len(stage.asked), stage.leaves, stage.keeper.is_busy)


@pytest.mark.parametrize("leaves", [True, False])
def test_a_person_who_leaves_may_have_locked_the_screen(leaves: bool) -> None:
    """A look of a moment ago is enough for a person who waits, and too old for one whose `mayfly login` has ended."""

    async def play(stage: Stage) -> None:
        stage.waits_for_leave, stage.takes_seconds = True, 0.3
        person = asyncio.ensure_future(outcome(login(stage, "nsrc")))
        await asyncio.sleep(0.2)
        role_user = asyncio.ensure_future(outcome(fetch(stage, "admin")))
        await asyncio.sleep(0.05)
        stage.scene = LOCKED
        if leaves:
            person.cancel()
        told = "ScreenLocked" if leaves else "Credentials"
        assert told == code(await role_user)
        assert (1, 0 if leaves else 1, 2 if leaves else 1) == (len(stage.logins()), stage.leaves, stage.looks)

    on_stage(HOUSE, play)


@staged(HOUSE)
async def test_the_lock_is_no_failure(stage: Stage) -> None:
    """After the unlock a client is served at once, and no failure counts."""
    stage.waits_for_leave, stage.takes_seconds = True, 25
    waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(5)
    stage.scene = LOCKED
    refused = await waiting
    stage.scene = HERE
    await asyncio.sleep(2)
    served = await outcome(fetch(stage, "nsrc"))
    assert ["ScreenLocked", "Credentials"] == [code(refused), code(served)]
    assert ([{"profile": "nsrc"}], []) == (
        stage.log.told("login.withheld"),
        stage.log.told("session.refresh_failed"),
    )


@staged(HOUSE)
async def test_a_role_s_login_lets_no_renewal_below_it_through(stage: Stage) -> None:
    """The role needs no login, and the session below it waits its turn for a client: that one is given up."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = 8 * HOUR - 600
    stage.takes_seconds = 25
    first = asyncio.ensure_future(fetch(stage, "other"))
    await asyncio.sleep(2)
    stage.keeper.take("nsrc")
    await asyncio.sleep(2)
    stage.scene = LOCKED
    person = asyncio.ensure_future(login(stage, "admin", through_lock=True))
    await asyncio.gather(first, person)
    await asyncio.sleep(60)
    assert ["login", "login", "assume"] == [asked.kind for asked in stage.asked]
    assert stage.keeper.status()[0].last_error is None


@staged(HOUSE)
async def test_who_joins_a_login_through_the_lock_has_what_comes(stage: Stage) -> None:
    """A client that asks while a person is being asked through the lock waits for the same answer."""
    stage.scene = LOCKED
    person = asyncio.ensure_future(login(stage, "nsrc", through_lock=True))
    await asyncio.sleep(0.5)
    client = await outcome(fetch(stage, "nsrc"))
    assert (await person, 1) == (client, len(stage.asked))


@staged(HOUSE)
async def test_after_the_unlock_a_login_is_a_login(stage: Stage) -> None:
    """What the lock refused is asked for when the screen is open."""
    stage.scene = LOCKED
    refused = await outcome(login(stage, "nsrc"))
    stage.scene = Scene(unlocked_at=stage.now())
    await asyncio.sleep(2)
    assert ["ScreenLocked", "Credentials"] == [code(refused), code(await outcome(login(stage, "nsrc")))]
