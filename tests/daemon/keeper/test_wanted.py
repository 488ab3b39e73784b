"""What is wanted is answered: over a reload, and over faults of mayfly's own."""

from __future__ import annotations

import asyncio

from typing import Any

import pytest

from mayfly.config.model import Config
from mayfly.session.trigger import Trigger
from support.engine import HOUR, NO, ONE, WITH_ROLE, config, key, role
from support.stage import Stage, code, fetch, login, on_stage, outcome, staged


OWN_CODE = config(a=key(), deploy=role("a", mfa="each"))
OWN_CODE_RENAMED = config("d2", a=key(), release=role("a", mfa="each"))

# A reload


@staged(OWN_CODE)
async def test_a_reload_in_the_moment_of_the_next_code_loses_no_turn(stage: Stage) -> None:
    """The role waited for its one-time password, and is called otherwise just as there is one."""
    call_later = stage.loop.call_later

    def call_both_later(seconds: float, call: Any, *args: Any) -> asyncio.TimerHandle:
        """Timers that are closer than the clock's resolution run in one go, and the tasks that they spawn after it."""
        handle = call_later(seconds, call, *args)
        if seconds > 20:
            stage.loop.call_at(handle.when() + 1e-10, stage.keeper.adopt, OWN_CODE_RENAMED)
        return handle

    waiting = [asyncio.ensure_future(outcome(fetch(stage, name))) for name in ("a", "deploy")]
    stage.loop.call_later = call_both_later  # type: ignore[assignment, method-assign] # to be in time for the moment
    await asyncio.sleep(5)
    stage.loop.call_later = call_later  # type: ignore[method-assign] # as it was
    await asyncio.sleep(120)
    assert ["Credentials", "ConfigChanged"] == [code(each) for each in await asyncio.gather(*waiting)]
    assert (True, False) == (stage.keeper.take("release") is not None, stage.keeper.is_busy)


@staged(config(a=key(), deploy=role("a", mfa="each"), other=key("other")))
async def test_a_reload_makes_nobody_wait_for_a_role_s_next_code(stage: Stage) -> None:
    """Called otherwise, the role still gives way: another login has its turn before the next one-time password."""
    waiting = [asyncio.ensure_future(outcome(fetch(stage, name))) for name in ("a", "deploy")]
    await asyncio.sleep(5)
    stage.keeper.adopt(config("d2", a=key(), release=role("a", mfa="each"), other=key("other")))
    await fetch(stage, "other")
    assert [{"a"}, {"other"}] == [asked.profiles for asked in stage.logins()]
    await asyncio.gather(*waiting)


@staged(OWN_CODE)
async def test_a_no_counts_for_who_waited_also_under_another_name(stage: Stage) -> None:
    """A role whose code another session uses is not asked for after a no, even if that session was renamed."""
    stage.outcomes["a"] = NO
    waiting = [asyncio.ensure_future(outcome(fetch(stage, name))) for name in ("a", "deploy")]
    await asyncio.sleep(0.5)
    stage.keeper.adopt(config("d2", twin=key(), a=key(), deploy=role("a", mfa="each")))
    await asyncio.sleep(60)
    assert ([NO, NO], 1) == (await asyncio.gather(*waiting), len(stage.logins()))


@pytest.mark.parametrize("trigger", Trigger)
def test_a_profile_that_goes_before_it_is_asked_for_is_told(trigger: Trigger) -> None:
    """A reload between a request and its turn in the event loop."""

    async def play(stage: Stage) -> None:
        waiting = asyncio.ensure_future(outcome(stage.keeper.obtain("nsrc", trigger)))
        stage.keeper.adopt(config("d2", other=key("other")))
        assert "ConfigChanged" == code(await waiting)

    on_stage(ONE, play)


@staged(ONE)
async def test_nobody_doubts_a_profile_that_is_gone(stage: Stage) -> None:
    """The audit finds out which program has fetched it after a reload has taken it out of the config."""
    await fetch(stage, "nsrc")
    stage.keeper.adopt(config("d2", other=key("other")))
    stage.keeper.suspect("nsrc")
    assert (0, []) == (stage.keeper.age_seconds("nsrc"), stage.log.told("task.failed"))


# Faults


FAULTS = ["exchange.started", "session.refreshed", "session.refresh_failed"]


def break_log(stage: Stage, event: str) -> None:
    """Have the log fail at one event, as it does where a text cannot be encoded."""
    told = {"info": stage.log.info, "warning": stage.log.warning}

    def note(level: str, name: str, facts: dict[str, Any]) -> None:
        if name == event:
            raise UnicodeEncodeError("latin-1", "…", 0, 1, "ordinal not in range")
        told[level](name, **facts)

    stage.log.info = lambda name, **facts: note("info", name, facts)  # type: ignore[method-assign] # to fail is the point
    stage.log.warning = lambda name, **facts: note("warning", name, facts)  # type: ignore[method-assign] # the same


def mend_log(stage: Stage) -> None:
    del stage.log.info, stage.log.warning


@pytest.mark.parametrize("event", FAULTS)
@pytest.mark.parametrize("profile", ["nsrc", "admin"])
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
def test_a_fault_between_taken_and_answered_wedges_nothing(event: str, profile: str, is_warm: bool) -> None:
    """After any fault while an exchange has a session, its clients are answered, and the next try is made."""

    async def play(stage: Stage) -> None:
        if is_warm:
            await fetch(stage, "nsrc")
        if event == "session.refresh_failed":
            stage.outcomes[profile] = NO
        break_log(stage, event)
        waiting = asyncio.ensure_future(outcome(login(stage, profile)))
        await asyncio.sleep(300)
        assert (True, False) == (waiting.done(), stage.keeper.is_busy)
        mend_log(stage)
        stage.outcomes.clear()
        assert "Credentials" == code(await outcome(login(stage, profile)))

    on_stage(WITH_ROLE, play)


@pytest.mark.parametrize("profile", ["nsrc", "admin", "deploy"])
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
def test_a_fault_while_a_request_is_made_wedges_nothing(profile: str, is_warm: bool) -> None:
    """Nothing has been asked of the exchange yet, and it stays so: its clients are answered all the same."""

    async def play(stage: Stage) -> None:
        if is_warm:
            await fetch(stage, "nsrc")
        sound = stage.keeper.config
        stage.keeper._ledger.config = WithoutDigest(sound)  # type: ignore[assignment] # the point
        waiting = asyncio.ensure_future(outcome(login(stage, profile)))
        await asyncio.sleep(300)
        assert (True, False) == (waiting.done(), stage.keeper.is_busy)
        stage.keeper._ledger.config = sound
        assert "Credentials" == code(await outcome(login(stage, profile)))

    on_stage(config(nsrc=key(), admin=role("nsrc"), deploy=role("nsrc", mfa="each")), play)


class WithoutDigest:
    """A config whose digest cannot be had; it is asked for when a request is made, and at no other time."""

    def __init__(self, sound: Config) -> None:
        self._sound = sound

    def __getattr__(self, name: str) -> Any:
        if name == "digest":
            raise ZeroDivisionError("a fault")
        return getattr(self._sound, name)


@staged(config(a=key("a"), b=key("b"), admin=role("a")))
async def test_a_fault_at_one_session_is_no_fault_of_the_others(stage: Stage) -> None:
    """What keeps a change fails for one of three: all are answered, and those that came are there."""
    seen = []

    def keep() -> None:
        seen.append(stage.keeper.is_busy)
        if len(seen) == 1:
            raise OSError(105, "No buffer space available")

    stage.keeper._ledger._on_change = keep
    waiting = [asyncio.ensure_future(outcome(login(stage, name))) for name in ("a", "b", "admin")]
    await asyncio.sleep(HOUR)
    assert [True] * 3 == [each.done() for each in waiting]
    assert "Credentials" == code(await outcome(login(stage, "a")))


@staged(OWN_CODE)
async def test_a_fault_before_it_does_not_take_the_next_code_away(stage: Stage) -> None:
    """The login that used the current one-time password ends by a fault: the role that waits has its turn."""
    stage.script = lambda request: (
        [ZeroDivisionError("a fault")] if "a" in request.profiles else stage._answers(request)
    )
    results = [asyncio.ensure_future(outcome(fetch(stage, name))) for name in ("a", "deploy")]
    await asyncio.sleep(120)
    assert [True, True] == [each.done() for each in results]
    assert "Credentials" == code(results[1].result())
