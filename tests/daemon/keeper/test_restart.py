"""A "no" outlives the process that was told it."""

from __future__ import annotations

import asyncio
import json

from collections.abc import Callable
from datetime import timedelta

import attrs
import pytest

from mayfly.config.model import Config, OnePassword
from mayfly.config.values import LimitSeconds
from mayfly.shared.desk import Scene
from mayfly.shared.errors import (
    AccessDenied,
    ApprovalDismissed,
    ApprovalIgnored,
    AwsThrottled,
    ConfigChanged,
    ItemNotFound,
    MayflyError,
    OnePasswordMissing,
    SessionEnded,
)
from support.engine import DUE, HERE, HOUR, LOCKED, ONE, at, config, key, role
from support.stage import Stage, code, fetch, login, on_stage, outcome, staged


ALWAYS = config(nsrc=key(refresh="always"))
NO = ApprovalDismissed("somebody said no", hint="run 'mayfly login' when you are ready")
DAY = 24 * HOUR


def next_life(stage: Stage, found: Config | None = None, *, is_kept: bool = True) -> Stage:
    """The daemon has been restarted: another keeper, at the same time, with what the first one has left."""
    after = Stage(found or stage.keeper.config)
    after.stepped_seconds = stage.stepped_seconds
    after.scene = stage.scene
    after.keeper.restore(stage.keeper.snapshot() if is_kept else b"")
    return after


async def prompts_in(stage: Stage, seconds: float) -> int:
    """How often a keeper that runs, from now on, asks 1Password by itself."""
    before = len(stage.logins())
    stage.run()
    await asyncio.sleep(seconds)
    return len(stage.logins()) - before


@pytest.mark.parametrize("found", [ONE, ALWAYS], ids=["while-used", "always"])
@pytest.mark.parametrize("seconds", [DUE + 60, 9 * HOUR], ids=["due", "expired"])
def test_a_no_outlives_a_restart(found: Config, seconds: float) -> None:
    """The renewal was dismissed: the next process does not prompt at its start, and tells clients the same."""

    async def play(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        stage.stepped_seconds = seconds
        stage.outcomes["nsrc"] = NO
        await outcome(login(stage, "nsrc"))
        after = next_life(stage)
        told = [row.last_error for row in after.keeper.status()]
        assert 0 == await prompts_in(after, 29)
        assert [{"code": "ApprovalDismissed", "message": NO.message, "hint": NO.hint_for("nsrc")}] == told
        if seconds > DUE + 60:
            refused = await outcome(fetch(after, "nsrc"))
            assert ("ApprovalDismissed", NO.hint) == (code(refused), refused.hint)

    on_stage(found, play)


@staged(ONE)
async def test_clients_go_on_waiting_twice_as_long(stage: Stage) -> None:
    """Three noes before the restart: the wait that has begun goes on, and the next one is twice as long."""
    stage.outcomes["nsrc"] = NO
    for _ in range(3):
        await outcome(fetch(stage, "nsrc"))
        stage.stepped_seconds += 61
    stage.stepped_seconds -= 61
    after = next_life(stage)
    after.stepped_seconds += 100
    assert ("ApprovalDismissed", 0) == (code(await outcome(fetch(after, "nsrc"))), len(after.asked))
    after.stepped_seconds += 30
    after.outcomes["nsrc"] = NO
    await outcome(fetch(after, "nsrc"))
    assert (1, 240) == (len(after.asked), after.keeper._ledger["nsrc"].retry_after_seconds)


@staged(ONE)
async def test_a_person_waits_for_no_failure_of_an_earlier_process(stage: Stage) -> None:
    """`mayfly login` tries at once after a restart, too."""
    stage.outcomes["nsrc"] = NO
    await outcome(fetch(stage, "nsrc"))
    assert "Credentials" == code(await outcome(login(next_life(stage), "nsrc")))


@staged(ALWAYS)
async def test_forgotten_stays_forgotten(stage: Stage) -> None:
    """What somebody wanted gone does not come back with the next process; a client's request brings it back."""
    await fetch(stage, "nsrc")
    stage.keeper.forget(["nsrc"])
    after = next_life(stage)
    assert 0 == await prompts_in(after, DAY)
    assert "Credentials" == code(await outcome(fetch(after, "nsrc")))


@staged(ONE)
async def test_a_prompt_that_was_shown_again_is_not_shown_a_third_time(stage: Stage) -> None:
    """Ignored, shown once more at an unlock, ignored: the next process's first unlock shows nothing."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 10
    stage.outcomes["nsrc"] = ApprovalIgnored("a minute went by")
    assert 1 == await prompts_in(stage, 60)
    stage.scene = Scene(unlocked_at=stage.now())
    assert 1 == await prompts_in(stage, 60)
    after = next_life(stage)
    after.scene = Scene(unlocked_at=after.now() + timedelta(seconds=30))
    assert 0 == await prompts_in(after, 120)


@staged(ONE)
async def test_a_loop_of_rejections_is_slow_over_restarts(stage: Stage) -> None:
    """AWS refused two sessions in a row soon after it had made them: the next process knows of both."""
    await fetch(stage, "nsrc")
    for _ in range(2):
        stage.keeper._ledger.reject("nsrc", SessionEnded("over"), stage.now())
        if stage.keeper._ledger["nsrc"].rejections == 1:
            await fetch(stage, "nsrc")
    after = next_life(stage)
    assert 0 == await prompts_in(after, 240)
    assert 2 == after.keeper._ledger["nsrc"].rejections


@staged(config(nsrc=key(), admin=role("nsrc")))
async def test_a_role_s_own_failure_is_kept_with_it(stage: Stage) -> None:
    """The session below comes back with its credentials, and the role with what AWS said to it."""
    await fetch(stage, "nsrc")
    stage.outcomes["admin"] = AccessDenied("not you")
    await outcome(fetch(stage, "admin"))
    after = next_life(stage)
    assert after.keeper.take("nsrc")
    assert ("AccessDenied", 0) == (code(await outcome(fetch(after, "admin"))), len(after.asked))


@pytest.mark.parametrize("ahead_seconds", [0, 6 * HOUR])
def test_a_clock_that_ran_ahead_makes_nobody_wait_longer(ahead_seconds: float) -> None:
    """The earlier process's clock had been set ahead, and ours starts from the wall's: 30 s are 30 s."""

    async def play(stage: Stage) -> None:
        stage.stepped_seconds = ahead_seconds
        stage.outcomes["nsrc"] = NO
        await outcome(fetch(stage, "nsrc"))
        kept = stage.keeper.snapshot()
        after = Stage(ONE)
        after.keeper.restore(kept)
        after.stepped_seconds = 31
        assert "Credentials" == code(await outcome(fetch(after, "nsrc")))

    on_stage(ONE, play)


# What mends it


@pytest.mark.parametrize(
    ("mend", "told"),
    [
        (lambda found: found, "OnePasswordMissing"),
        (lambda found: config("d2", nsrc=key(region="eu-west-1")), "Credentials"),
        (lambda found: attrs.evolve(found, onepassword=OnePassword(timeout_seconds=LimitSeconds(30))), "Credentials"),
        (lambda found: config("d2", nsrc=key("other")), "Credentials"),
        (lambda found: config("d2", twin=key(name="T"), nsrc=key()), "OnePasswordMissing"),
    ],
    ids=["as it was", "region", "op", "keys", "name"],
)
def test_a_failure_ends_with_its_cause(mend: Callable[[Config], Config], told: str) -> None:
    """A person who mends the config and restarts the daemon waits no longer than with a reload."""

    async def play(stage: Stage) -> None:
        stage.outcomes["nsrc"] = OnePasswordMissing("no op")
        await outcome(fetch(stage, "nsrc"))
        assert told == code(await outcome(fetch(next_life(stage, mend(ONE)), "nsrc")))

    on_stage(ONE, play)


@staged(ONE)
async def test_a_config_that_has_changed_is_no_failure_of_the_next_process(stage: Stage) -> None:
    """It has read the config anew."""
    stage.outcomes["nsrc"] = ConfigChanged("it has changed")
    await outcome(fetch(stage, "nsrc"))
    assert "Credentials" == code(await outcome(fetch(next_life(stage), "nsrc")))


@pytest.mark.parametrize("error", [NO, AwsThrottled("slow down"), ItemNotFound("no such item")])
def test_every_failure_is_kept_at_once(error: MayflyError) -> None:
    """A process that is killed has stored it: the store is called for failures, and for their end."""

    async def play(stage: Stage) -> None:
        heard: list[bytes] = []
        stage.keeper._ledger._on_change = lambda: heard.append(stage.keeper.snapshot())
        stage.outcomes["nsrc"] = error
        await outcome(fetch(stage, "nsrc"))
        await outcome(fetch(stage, "nsrc"))
        del stage.outcomes["nsrc"]
        await login(stage, "nsrc")
        codes = [json.loads(kept)["sessions"]["nsrc"]["last_error"] if kept else None for kept in heard]
        assert [error.code, None, None] == [told and told["code"] for told in codes]

    on_stage(ONE, play)


# Where nothing is kept


@staged(ALWAYS)
async def test_where_nothing_is_kept_nobody_is_asked_before_a_client_has_asked(stage: Stage) -> None:
    """An earlier process may have been told no: a day goes by in silence, and then the profile is kept as always."""
    after = next_life(stage, is_kept=False)
    assert 0 == await prompts_in(after, DAY)
    await fetch(after, "nsrc")
    assert 3 == await prompts_in(after, DAY)


@pytest.mark.parametrize("kept", [b"", b"{}", b"not ours"], ids=["empty", "no sessions", "unreadable"])
def test_an_empty_store_is_nothing_kept(kept: bytes) -> None:
    """`systemctl stop` and a reboot empty the store, whatever a person has said: the clock waits for a client."""

    async def play(stage: Stage) -> None:
        stage.keeper.restore(kept)
        assert 0 == await prompts_in(stage, DAY)
        assert "Credentials" == code(await outcome(fetch(stage, "nsrc")))
        assert 3 == await prompts_in(stage, DAY)

    on_stage(ALWAYS, play)


@staged(ALWAYS)
async def test_a_wait_for_clients_outlives_a_restart(stage: Stage) -> None:
    """The store was empty, and the next process finds one that is not: still nobody has asked."""
    after = next_life(stage)
    assert 0 == await prompts_in(next_life(after), DAY)


@staged(ALWAYS)
async def test_a_profile_of_which_nothing_is_kept_waits_alone(stage: Stage) -> None:
    """A session was kept for one profile, and the other is new: the clock renews the first, and asks for no other."""
    await fetch(stage, "nsrc")
    both = config(nsrc=key(refresh="always"), other=key("other", refresh="always"))
    after = next_life(stage, both)
    assert 3 == await prompts_in(after, DAY)
    assert {"nsrc"} == set().union(*(asked.profiles for asked in after.asked))


@staged(ALWAYS)
async def test_what_is_kept_needs_no_client(stage: Stage) -> None:
    """Only expired credentials, or none, were left: a client had asked once, and the profile is kept as always."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    assert 1 == await prompts_in(next_life(stage), HOUR)


@staged(config(nsrc=key(refresh="always"), boss=role("nsrc", refresh="always"), robot=key("r", onepassword="robot")))
async def test_who_needs_nobody_is_kept_fresh_from_the_start(stage: Stage) -> None:
    """A service account asks nobody; a role above a profile that asks somebody waits with it."""
    after = next_life(stage, is_kept=False)
    await prompts_in(after, HOUR)
    assert [{"robot"}] == [asked.profiles for asked in after.asked]
    await login(after, "nsrc")
    await prompts_in(after, HOUR)
    assert after.keeper.take("boss")


@staged(config(nsrc=key(refresh="always"), other=key("other", refresh="always")))
async def test_a_client_of_one_profile_asks_for_no_other(stage: Stage) -> None:
    """The first request wakes the profile that it is for."""
    after = next_life(stage, is_kept=False)
    await fetch(after, "other")
    assert 0 == await prompts_in(after, HOUR)
    assert [{"other"}] == [asked.profiles for asked in after.asked]


@staged(ONE)
async def test_an_unlock_after_a_restart_is_no_request(stage: Stage) -> None:
    """In use, expired behind a lock, and restarted without a failure: nobody is asked until a client asks."""
    await fetch(stage, "nsrc")
    stage.scene, stage.stepped_seconds = LOCKED, 9 * HOUR
    after = next_life(stage)
    after.scene = HERE
    assert 0 == await prompts_in(after, HOUR)
    assert at(9 * HOUR) <= after.now()
