"""Profiles that come along with a login that happens anyway."""

import asyncio

from collections.abc import Callable
from typing import Any

import pytest

from support.engine import (
    DUE,
    HOUR,
    NO,
    NO_MFA,
    at,
    config,
    key,
)
from support.stage import Stage, fetch, in_words, login, on_stage, staged


@staged(config(a=key("a", duration_seconds=36000), b=key("b"), c=key("c"), d=key("d", onepassword="work")))
async def test_one_prompt_takes_along_who_is_due_soon(stage: Stage) -> None:
    """A login also renews the profiles of the same account that are in use and due within the hour, and no others."""
    for name in "abd":
        await fetch(stage, name)
    stage.stepped_seconds = DUE - 1800
    await fetch(stage, "c")
    assert "login: a b c" == in_words(stage.asked)[-1]
    rows = {row.profile: row.expires_in_seconds for row in stage.keeper.status()}
    assert rows["b"] == pytest.approx(8 * HOUR, abs=5)


@staged(config(a=key("a"), b=key("b")))
async def test_two_of_an_hour_are_one_prompt_from_then_on(stage: Stage) -> None:
    """Two sessions of an hour began a quarter of an hour apart: after one shared login both are renewed together."""
    stage.lives_seconds[True] = HOUR
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "a")
    await asyncio.sleep(900)
    await fetch(stage, "b")
    await fetch(stage, "a")
    await asyncio.sleep(2500)
    work.cancel()
    assert ["login: a", "login: a b", "login: a b"] == in_words(stage.asked)


@pytest.mark.parametrize(("robots", "last"), [(True, "login: a"), (False, "login: a b")])
def test_nobody_comes_along_where_nobody_is_asked(robots: bool, last: str) -> None:
    """A renewal without a prompt is made when it is due, and not earlier."""

    async def play(stage: Stage) -> None:
        stage.lives_seconds[True] = 2 * HOUR
        for name in "ab":
            await fetch(stage, name)
        stage.stepped_seconds = HOUR
        await login(stage, "a")
        assert last == in_words(stage.asked)[-1]

    way = "robot" if robots else None
    on_stage(config(a=key("a", onepassword=way), b=key("b", onepassword=way)), play)


SAME_DEVICE = config(a=key("same"), b=key("same", duration_seconds=36000), c=key("c"))


@pytest.mark.parametrize(
    ("asks", "asked"),
    [(fetch, "login: b c"), (login, "login: a c"), (None, "login: a b c")],
    ids=["cold", "login", "clock"],
)
def test_company_makes_nobody_wait_for_another_code(asks: Callable[..., object] | None, asked: str) -> None:
    """A one-time password serves one session: nobody joins who shares the MFA device with a waiting client."""

    async def play(stage: Stage) -> None:
        for name in "abc":
            await fetch(stage, name)
            stage.stepped_seconds += 600
        stage.stepped_seconds = 8 * HOUR - 1800
        if asks is fetch:
            stage.keeper.forget(["b"])
            await fetch(stage, "b")
        elif asks is login:
            await login(stage, "a")
        else:
            stage.stepped_seconds = DUE + 60
            await stage.keeper.look()
            await asyncio.sleep(2)
        assert asked == in_words(stage.asked)[-1]

    on_stage(SAME_DEVICE, play)


@staged(config(a=key("a", **NO_MFA), b=key("b", duration_seconds=36000, **NO_MFA)))
async def test_company_without_mfa_waits_for_no_code(stage: Stage) -> None:
    """Profiles without a device have no device in common: one joins the login of another that a client waits for."""
    await fetch(stage, "a")
    stage.stepped_seconds = DUE - 1800
    await fetch(stage, "b")
    assert "login: a b" == in_words(stage.asked)[-1]


TOUCH: dict[str, Any] = {"otp": None, "otp_command": ("ykman",)}


@staged(config(a=key("a", **TOUCH), b=key("b", duration_seconds=36000)))
async def test_a_touch_comes_along_with_nothing(stage: Stage) -> None:
    """1Password's prompt is there anyway; a key to touch is one thing more, for a profile that nobody asked for."""
    await fetch(stage, "a")
    stage.stepped_seconds = DUE - 1800
    await fetch(stage, "b")
    assert "login: b" == in_words(stage.asked)[-1]


@staged(config(a=key("a"), b=key("b")))
async def test_dismissed_company_is_not_asked_for_ten_minutes_later(stage: Stage) -> None:
    """A refusal of the login of a and b counts for b, too, which is due later: one more prompt before its end."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "a")
    await asyncio.sleep(600)
    await fetch(stage, "b")
    stage.outcomes["a"] = stage.outcomes["b"] = NO
    await asyncio.sleep(10 * HOUR)
    work.cancel()
    ends = [round((asked.at - at(8 * HOUR)).total_seconds(), -2) for asked in stage.logins()[2:]]
    assert (["login: a b"] * 3, [-1200, -300, 300]) == (in_words(stage.logins()[2:]), ends)


@staged(config(a=key("a"), b=key("b")))
async def test_company_in_flight_is_not_asked_for_again(stage: Stage) -> None:
    """A session that joined a login is in that exchange: a person who asks for it waits for the same exchange."""
    await fetch(stage, "a")
    stage.stepped_seconds = DUE - 1800
    taking = asyncio.ensure_future(fetch(stage, "b"))
    await asyncio.sleep(0.5)
    await login(stage, "a")
    await taking
    assert ["login: a", "login: a b"] == in_words(stage.asked)
