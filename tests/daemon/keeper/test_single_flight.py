"""One exchange for all who want the same, and one question at a time."""

import asyncio

from contextlib import suppress

import pytest

from mayfly.session.trigger import Trigger
from support.engine import (
    LOCKED,
    ONE,
    config,
    key,
    role,
)
from support.stage import Stage, code, fetch, in_words, login, on_stage, outcome, staged


@staged(ONE)
async def test_a_thousand_waiters_are_one_exchange(stage: Stage) -> None:
    """1,000 cold clients at once: one process, one login, one look at the desk, everybody served the same."""
    got = await asyncio.gather(*(fetch(stage, "nsrc") for _ in range(1000)))
    assert (["login: nsrc"], 1, 1, 1) == (in_words(stage.asked), stage.launched, stage.looks, len(set(map(id, got))))


@staged(ONE)
async def test_what_is_fresh_comes_from_memory(stage: Stage) -> None:
    """The second fetch starts no exchange."""
    first = await fetch(stage, "nsrc")
    second = await fetch(stage, "nsrc")
    assert (True, 1) == (first is second, len(stage.asked))


@staged(ONE)
async def test_who_waits_for_what_is_fresh_gets_it_at_once(stage: Stage) -> None:
    """A client found no credentials, and another request has got them since: the client starts no exchange."""
    first = await fetch(stage, "nsrc")
    assert (first, 1) == (await stage.keeper.obtain("nsrc", Trigger.CLIENT), len(stage.asked))


@staged(config(a=key("a"), b=key("b"), c=key("c")))
async def test_logins_that_are_wanted_together_are_prompted_for_together(stage: Stage) -> None:
    """Several profiles of one 1Password account: one prompt."""
    await asyncio.gather(*(fetch(stage, name) for name in "abc"))
    assert ["login: a b c"] == in_words(stage.asked)


@staged(config(a=key("a"), b=key("b", onepassword="work"), c=key("c")))
async def test_two_accounts_are_asked_one_after_the_other(stage: Stage) -> None:
    """1Password asks its user one question at a time."""
    await asyncio.gather(*(fetch(stage, name) for name in "abc"))
    assert (["login: a c", "login: b"], 1) == (in_words(stage.asked), stage.most_logins_at_once)


TWO_WAYS = config(a=key("a"), b=key("b", onepassword="work"), admin=role("b"))


WHO_WAITS = pytest.mark.parametrize(
    ("person", "through_lock"), [(False, False), (True, False), (True, True)], ids=["client", "person", "through lock"]
)


@WHO_WAITS
def test_whose_turn_comes_behind_a_lock_is_not_asked_for(person: bool, through_lock: bool) -> None:
    """A login that waits its turn while the screen is locked is given up, with the role above it.

    Only a person's `--through-lock` goes on.
    """
    told = "Credentials" if through_lock else "ScreenLocked"

    async def play(stage: Stage) -> None:
        stage.takes_seconds = 50
        first, second = asyncio.ensure_future(fetch(stage, "a")), asyncio.ensure_future(outcome(fetch(stage, "admin")))
        await asyncio.sleep(10)
        person_too = asyncio.ensure_future(outcome(login(stage, "b", through_lock=through_lock))) if person else None
        await asyncio.sleep(10)
        stage.scene = LOCKED
        await first
        assert (told, told) == (code(await second), code(await person_too) if person_too else told)
        assert ["login: a", *(["login: b admin"] if through_lock else [])] == in_words(stage.asked)

    on_stage(TWO_WAYS, play)


@WHO_WAITS
def test_whose_exchange_had_to_wait_is_not_asked_for_behind_a_lock(person: bool, through_lock: bool) -> None:
    """An exchange that had to wait checks the screen before it prompts, except with `--through-lock`."""

    async def play(stage: Stage) -> None:
        stage.waits_for_leave = True
        stage.takes_seconds = 25
        asking = login(stage, "nsrc", through_lock=through_lock) if person else fetch(stage, "nsrc")
        going = asyncio.ensure_future(outcome(asking))
        await asyncio.sleep(5)
        stage.scene = LOCKED
        assert ("Credentials" if through_lock else "ScreenLocked") == code(await going)
        assert int(through_lock) == stage.leaves

    on_stage(ONE, play)


@staged(ONE)
async def test_whose_exchange_had_to_wait_is_asked_for_at_an_open_screen(stage: Stage) -> None:
    """With the screen open, the exchange goes on after its wait."""
    stage.waits_for_leave = True
    assert "Credentials" == code(await outcome(fetch(stage, "nsrc")))
    assert 1 == stage.leaves


@staged(ONE)
async def test_an_exchange_that_had_to_wait_prompts_for_no_daemon_that_ends(stage: Stage) -> None:
    """The daemon would end before the answer to the prompt is used."""
    stage.waits_for_leave = True
    going = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    stage.keeper.wind_up()
    assert ("ExchangeFailed", 0) == (code(await going), stage.leaves)


@staged(config(a=key("a"), b=key("b")))
async def test_who_comes_too_late_has_their_own_exchange(stage: Stage) -> None:
    """A profile that is wanted while another's login runs waits its turn."""

    async def later() -> object:
        await asyncio.sleep(0.5)
        return await fetch(stage, "b")

    await asyncio.gather(fetch(stage, "a"), later())
    assert (["login: a", "login: b"], 1) == (in_words(stage.asked), stage.most_logins_at_once)


@staged(config(a=key("same"), b=key("same", refresh="on-demand", name="B"), c=key("same", duration_seconds=3600)))
async def test_the_same_references_are_one_session(stage: Stage) -> None:
    """Profiles that differ by name and mode alone share the session; another duration is another session."""
    a, b, c = await asyncio.gather(*(fetch(stage, name) for name in "abc"))
    assert (["login: a c"], True, False) == (in_words(stage.asked), a is b, a is c)


@staged(ONE)
async def test_a_waiter_that_leaves_takes_nobody_along(stage: Stage) -> None:
    """A cancelled client does not end the exchange that others wait for."""
    leaving = asyncio.ensure_future(fetch(stage, "nsrc"))
    staying = asyncio.ensure_future(fetch(stage, "nsrc"))
    await asyncio.sleep(0.5)
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    got = await staying
    assert (["login: nsrc"], got) == (in_words(stage.asked), stage.keeper.take("nsrc"))


@staged(ONE)
async def test_a_waiter_that_leaves_during_the_look_takes_nobody_along(stage: Stage) -> None:
    """The look at the desk goes on for the other clients that share it."""
    stage.scene_takes_seconds = 2
    leaving, staying = (asyncio.ensure_future(fetch(stage, "nsrc")) for _ in range(2))
    await asyncio.sleep(0.5)
    leaving.cancel()
    await staying
    assert (1, 1) == (stage.looks, len(stage.asked))


@staged(ONE)
async def test_the_last_waiter_may_leave(stage: Stage) -> None:
    """All clients left before the approval: the next client is served from memory."""
    leaving = asyncio.ensure_future(fetch(stage, "nsrc"))
    await asyncio.sleep(0.5)
    leaving.cancel()
    await asyncio.sleep(1)
    assert stage.keeper.take("nsrc")
