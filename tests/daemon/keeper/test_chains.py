"""Chains with links in common: every link is assumed once, and nobody waits for more than that."""

from __future__ import annotations

import asyncio

from collections.abc import AsyncIterator

from mayfly.shared.errors import AccessDenied
from mayfly.shared.wire import Request, Result
from support.engine import LOCKED, config, key, role
from support.stage import Asked, Stage, code, fetch, outcome, staged


FORK = config(a=key(), mid=role("a", "mid"), left=role("mid", "left"), right=role("mid", "right"))


def one_by_one(stage: Stage, hanging: str = "") -> None:
    """Results come a second apart, and that of `hanging` long after."""

    async def ask(request: Request, _leave: object = None) -> AsyncIterator[Result]:
        stage.asked.append(Asked(stage.now(), request, stage.scene.presence, stage.loop.time()))
        for name in request.profiles:
            await asyncio.sleep(1000 if name == hanging else 1)
            yield stage.result(name, stage.fresh(name))

    stage.ask = ask  # type: ignore[method-assign] # a script answers all at once


@staged(FORK)
async def test_a_link_of_two_chains_is_assumed_once(stage: Stage) -> None:
    """While one exchange gets the shared role, the second chain waits for it, and is then assumed from it."""
    await fetch(stage, "a")
    left = asyncio.ensure_future(fetch(stage, "left"))
    await asyncio.sleep(0.5)
    right = asyncio.ensure_future(fetch(stage, "right"))
    link = asyncio.ensure_future(fetch(stage, "mid"))
    await asyncio.gather(left, right, link)
    assert [{"mid", "left"}, {"right"}] == [asked.profiles for asked in stage.assumes()]
    assert [{"a"}, {"mid"}] == [asked.request.sessions.keys() for asked in stage.assumes()]


@staged(FORK)
async def test_a_link_that_comes_with_a_login_is_assumed_once(stage: Stage) -> None:
    """The same where the first chain comes with a login, whose session is there already."""
    one_by_one(stage)
    left = asyncio.ensure_future(fetch(stage, "left"))
    await asyncio.sleep(0.5)
    right = asyncio.ensure_future(fetch(stage, "right"))
    await asyncio.gather(left, right)
    assert [{"a", "mid", "left"}, {"right"}] == [asked.profiles for asked in stage.asked]


@staged(FORK)
async def test_a_role_waits_for_its_link_and_for_nothing_else(stage: Stage) -> None:
    """The shared role has come, and the end of the first chain hangs: the second chain goes on."""
    await fetch(stage, "a")

    one_by_one(stage, hanging="left")
    left = asyncio.ensure_future(fetch(stage, "left"))
    await asyncio.sleep(0.5)
    await fetch(stage, "right")
    assert (False, True) == (left.done(), stage.loop.time() < 60)
    await left


TWO_BASES = config(a=key(), hangs=role("a", "hangs"), b=key("b"), other=key("other", onepassword="work"))


@staged(TWO_BASES)
async def test_a_role_that_hangs_holds_up_no_login(stage: Stage) -> None:
    """A role that came along with a login hangs: the next login starts all the same."""
    one_by_one(stage, hanging="hangs")
    hanging = asyncio.ensure_future(fetch(stage, "hangs"))
    await asyncio.sleep(0.5)
    await asyncio.gather(fetch(stage, "b"), fetch(stage, "other"))
    assert (False, True) == (hanging.done(), stage.loop.time() < 60)
    assert [{"a", "hangs"}, {"b"}, {"other"}] == [asked.profiles for asked in stage.logins()]
    await hanging


@staged(config(a=key(), hangs=role("a", "hangs"), b=key("b")))
async def test_behind_a_lock_nobody_is_next(stage: Stage) -> None:
    """Before the next login the screen is checked, also while roles of the last one hang."""
    one_by_one(stage, hanging="hangs")
    hanging = asyncio.ensure_future(fetch(stage, "hangs"))
    await asyncio.sleep(0.5)
    waiting = asyncio.ensure_future(outcome(fetch(stage, "b")))
    await asyncio.sleep(0.1)
    stage.scene = LOCKED
    assert "ScreenLocked" == code(await waiting)
    assert (False, 1) == (hanging.done(), len(stage.logins()))
    await hanging


@staged(FORK)
async def test_a_link_that_fails_is_told_to_both_chains(stage: Stage) -> None:
    """The second chain, which waited for the shared role, makes one attempt of its own."""
    await fetch(stage, "a")
    stage.outcomes["mid"] = AccessDenied("not you")
    left = asyncio.ensure_future(outcome(fetch(stage, "left")))
    await asyncio.sleep(0.5)
    right = await outcome(fetch(stage, "right"))
    assert ["AccessDenied"] * 2 == [code(await left), code(right)]
    assert 2 == len(stage.assumes())
