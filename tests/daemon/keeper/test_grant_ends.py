"""The end of a grant's session: by its time, revoked, forgotten, by a reload or a lock; and what a restart keeps."""

from __future__ import annotations

import asyncio

from typing import Any

import pytest

from mayfly.shared.errors import ConfigChanged, ScreenLocked
from mayfly.shared.grant import Narrowing
from support.engine import CHAIN, HERE, HOUR, LOCKED, WITH_ROLE, config, key, role
from support.granted import READ_ONLY, REVOKED, SUBJECT, granted, lives
from support.stage import Stage, code, fetch, login, on_stage, outcome, staged


@pytest.mark.parametrize("is_looked_after", [True, False])
def test_nothing_is_handed_out_after_the_end(is_looked_after: bool) -> None:
    """AWS gives 15 min at least, so credentials may outlive their grant: nobody is given them then, nor new ones.

    At the clock's next look they are dropped.
    """

    async def play(stage: Stage) -> None:
        granted(stage, HOUR)
        if is_looked_after:
            stage.run()
        await fetch(stage, "nsrc")
        await asyncio.sleep(HOUR - 300)
        narrow = await fetch(stage, SUBJECT)
        assert 900 == round((narrow.expiration - stage.now()).total_seconds())
        await asyncio.sleep(301)
        asked = len(stage.asked)
        assert [None, None] == [stage.keeper.take(SUBJECT), await stage.keeper.peek(SUBJECT)]
        ended = "the grant 0000000a has ended"
        assert [ended] * 2 == [(await outcome(get(stage, SUBJECT))).message for get in (fetch, login)]
        await stage.keeper.look()
        assert (asked, ["nsrc", "admin"]) == (len(stage.asked), stage.keeper._ledger.names)

    on_stage(WITH_ROLE, play)


@pytest.mark.parametrize("is_looked_after", [True, False])
@pytest.mark.parametrize("is_warm", [True, False], ids=["in an exchange", "queued"])
def test_whoever_waits_when_the_grant_ends_is_told(is_looked_after: bool, is_warm: bool) -> None:
    """What the exchange brings is for nobody; and after a login that has taken too long it is not even asked."""

    async def play(stage: Stage) -> None:
        if is_warm:
            await fetch(stage, "nsrc")
        granted(stage, 30)
        if is_looked_after:
            stage.run()
        stage.takes_seconds = 60
        waiting = asyncio.ensure_future(outcome(fetch(stage, SUBJECT)))
        await asyncio.sleep(65)
        await stage.keeper.look()
        assert "the grant 0000000a has ended" == (await waiting).message
        assert (SUBJECT in stage.keeper._ledger.names, len(lives(stage))) == (False, int(is_warm))

    on_stage(WITH_ROLE, play)


@staged(WITH_ROLE)
async def test_who_waits_for_a_grant_that_is_revoked_is_told_at_once(stage: Stage) -> None:
    """Before the screen was looked at, in the queue behind a login, and in an exchange; the role's clients go on."""
    for scene_seconds, takes_seconds, after_seconds in [(2, 1, 1), (0, 10, 2), (0, 10, 12)]:
        stage.scene_takes_seconds, stage.takes_seconds = scene_seconds, takes_seconds
        granted(stage)
        stage.keeper.forget(["nsrc", "admin"])
        waiting = [asyncio.ensure_future(outcome(fetch(stage, name))) for name in (SUBJECT, SUBJECT, "admin")]
        await asyncio.sleep(after_seconds)
        stage.keeper.dismiss(SUBJECT, REVOKED)
        await asyncio.sleep(0.01)
        assert [REVOKED, REVOKED] == [each.result() for each in waiting[:2]]
        assert "Credentials" == code(await waiting[2])
        await asyncio.sleep(30)
        assert ["nsrc", "admin"] == stage.keeper._ledger.names
    assert (None, 0) == (stage.keeper.take(SUBJECT), stage.keeper.age_seconds(SUBJECT))
    assert "the grant 0000000a has ended" == (await outcome(fetch(stage, SUBJECT))).message
    stage.keeper.suspect(SUBJECT)
    stage.keeper.dismiss(SUBJECT, REVOKED)


@staged(WITH_ROLE)
async def test_a_result_counts_for_the_order_that_it_was_asked_by(stage: Stage) -> None:
    """A grant went while it was being got, and another came with its id: the first one's session is nobody's."""
    await fetch(stage, "nsrc")
    stage.takes_seconds = 10
    granted(stage, narrowing=Narrowing())
    first = asyncio.ensure_future(outcome(fetch(stage, SUBJECT)))
    await asyncio.sleep(5)
    stage.keeper.dismiss(SUBJECT, REVOKED)
    granted(stage)
    second = asyncio.ensure_future(outcome(fetch(stage, SUBJECT)))
    await asyncio.sleep(7)
    assert (True, False) == (first.done(), second.done())
    await second
    assert [Narrowing(), READ_ONLY] == [asked.request.grants[SUBJECT].narrowing for asked in stage.assumes()]
    assert second.result().access_key_id == stage.keeper.take(SUBJECT).access_key_id  # type: ignore[union-attr]


@staged(WITH_ROLE)
async def test_forget_drops_the_sessions_of_grants_too(stage: Stage) -> None:
    """Also those that are being got; the next client gets new ones, and another profile's grants stay."""
    granted(stage)
    old = await fetch(stage, SUBJECT)
    stage.keeper.forget(["nsrc"])
    assert stage.keeper.take(SUBJECT) is old
    stage.keeper.forget(["admin"])
    assert stage.keeper.take(SUBJECT) is None
    waiting = asyncio.ensure_future(outcome(fetch(stage, SUBJECT)))
    await asyncio.sleep(0.5)
    stage.keeper.forget(["admin"])
    assert "admin was forgotten during the renewal" == (await waiting).message
    assert (await fetch(stage, SUBJECT)) is not old


@pytest.mark.parametrize(
    ("found", "goes_on"),
    [
        (config("d2", nsrc=key(), admin=role("nsrc", region="eu-west-1")), True),
        (config("d2", nsrc=key(), admin=role("nsrc", "other")), False),
        (config("d2", nsrc=key(), admin=role("nsrc", policy="{}")), False),
        (config("d2", nsrc=key("work"), admin=role("nsrc")), False),
        (config("d2", nsrc=key(), chief=role("nsrc")), False),
        (config("d2", nsrc=key(), admin=role("nsrc", mfa="each")), False),
        (config("d2", nsrc=key(), admin=key("work")), False),
    ],
    ids=["region", "role", "policy", "keys", "name", "mfa", "kind"],
)
@pytest.mark.parametrize("when", ["kept", "in an exchange"])
def test_a_reload_ends_the_grants_of_changed_profiles(found: Any, goes_on: bool, when: str) -> None:
    """The others' sessions go on, also those that are being got. Clients of one that went are told."""

    async def play(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        granted(stage)
        waiting = asyncio.ensure_future(outcome(fetch(stage, SUBJECT)))
        await asyncio.sleep(3 if when == "kept" else 0.5)
        stage.keeper.adopt(found)
        await asyncio.sleep(0.01)
        assert ([SUBJECT] if goes_on else []) == stage.keeper.grants_of("admin")
        if when == "kept":
            assert goes_on == (stage.keeper.take(SUBJECT) is waiting.result())
        elif goes_on:
            assert await waiting is stage.keeper.take(SUBJECT)
            assert 1 == len(stage.assumes())
        else:
            assert isinstance(waiting.result(), ConfigChanged)
            assert waiting.result().message.startswith("admin was changed in the config, or taken out")
        assert goes_on == (code(await outcome(fetch(stage, SUBJECT))) == "Credentials")

    on_stage(WITH_ROLE, play)


@pytest.mark.parametrize(
    ("changes", "is_kept"),
    [
        ({}, True),
        ({"number": 11}, False),
        ({"label": "other"}, False),
        ({"narrowing": Narrowing()}, False),
        ({"profile": "deep"}, False),
        ({"seconds": 2 * HOUR}, True),
    ],
    ids=["same", "id", "label", "narrowing", "profile", "end"],
)
def test_a_restart_keeps_the_sessions_of_the_same_grants(changes: dict[str, Any], is_kept: bool) -> None:
    """A grant that is another in anything that its session was made from begins anew."""

    async def play(stage: Stage) -> None:
        granted(stage)
        old = await fetch(stage, SUBJECT)
        kept, after = stage.keeper.snapshot(), Stage(CHAIN)
        subject = granted(after, **changes).subject
        after.keeper.restore(kept)
        assert (old if is_kept else None) == after.keeper.take(subject)
        assert ["nsrc", "admin", "deep", *([SUBJECT] if is_kept else [])] == after.keeper._ledger.names
        without = Stage(CHAIN)
        without.keeper.restore(kept)
        assert [True, False, False] == [bool(without.keeper.take(name)) for name in ("nsrc", "admin", "deep")]

    on_stage(CHAIN, play)


@pytest.mark.parametrize("on_lock", ["withhold", "forget"])
def test_its_profiles_lock_counts(on_lock: str) -> None:
    """What a lock of the screen does to the role, it does to its grants."""

    async def play(stage: Stage) -> None:
        granted(stage)
        await fetch(stage, SUBJECT)
        stage.scene = LOCKED
        await asyncio.sleep(5)
        refused = await outcome(fetch(stage, SUBJECT))
        assert isinstance(refused, ScreenLocked)
        assert (on_lock == "forget") == (stage.keeper._ledger[SUBJECT].credentials is None)
        stage.scene = HERE
        await asyncio.sleep(5)
        assert "Credentials" == code(await outcome(fetch(stage, SUBJECT)))

    on_stage(config(nsrc=key(), admin=role("nsrc", on_lock=on_lock)), play)


@staged(WITH_ROLE)
async def test_what_is_dropped_does_not_outlive_a_kill(stage: Stage) -> None:
    """The sessions are stored at once, without it."""
    granted(stage)
    await fetch(stage, SUBJECT)
    heard: list[bool] = []
    stage.keeper._ledger._on_change = lambda: heard.append(SUBJECT.encode() in stage.keeper.snapshot())
    stage.keeper.dismiss(SUBJECT, REVOKED)
    assert [False] == heard
