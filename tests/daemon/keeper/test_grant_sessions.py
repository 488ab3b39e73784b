"""A grant's own session: what is asked for it, who gets it, how it is renewed, and what it costs."""

from __future__ import annotations

import asyncio
import tracemalloc

from datetime import timedelta
from typing import Any

import pytest

from mayfly.daemon.keeper.grant_session import GrantSession
from mayfly.session.trigger import Requester, Trigger
from mayfly.shared.errors import SessionEnded
from mayfly.shared.grant import GrantOrder, Narrowing
from mayfly.shared.stages import Stage as Told
from support.engine import CHAIN, HOUR, NO, WITH_ROLE, at, config, key, role
from support.granted import READ_ONLY, REVOKED, SUBJECT, granted, lives
from support.stage import Stage, code, fetch, in_words, login, on_stage, outcome, staged


@staged(WITH_ROLE)
async def test_a_grant_has_a_session_of_its_own(stage: Stage) -> None:
    """It is assumed beside the role's, in one exchange, by an order; each client is given its own."""
    await fetch(stage, "nsrc")
    granted(stage)
    wide, narrow = await asyncio.gather(fetch(stage, "admin"), fetch(stage, SUBJECT))
    assert ["login: nsrc", f"assume: admin {SUBJECT} < nsrc"] == in_words(stage.asked)
    assert {SUBJECT: GrantOrder("claude", 1800, READ_ONLY)} == stage.asked[-1].request.grants
    assert [HOUR, 1800] == [round((each.expiration - stage.now()).total_seconds()) for each in (wide, narrow)]
    assert [wide, narrow, narrow] == [
        stage.keeper.take("admin"),
        stage.keeper.take(SUBJECT),
        await stage.keeper.peek(SUBJECT),
    ]
    assert ["nsrc", "admin"] == [row.profile for row in stage.keeper.status()]
    assert {"nsrc", "admin"} == stage.keeper.ends().keys()
    assert [SUBJECT] == stage.keeper.grants_of("admin")


@staged(CHAIN)
async def test_a_grant_on_a_cold_chain_needs_one_login(stage: Stage) -> None:
    """No order stands beside a login: the grant's session is assumed from what the login has brought."""
    granted(stage, profile="deep")
    await fetch(stage, "deep@0000000a")
    assert ["login: nsrc", "assume: admin deep@0000000a < nsrc"] == in_words(stage.asked)


@pytest.mark.parametrize(
    ("seconds", "duration", "expected"),
    [
        (900, 3600, 900),
        (1200, 3600, 1200),
        (1800, 3600, 1800),
        (4 * HOUR, 3600, 1800),
        (4 * HOUR, 1000, 1000),
        (300, 3600, 900),
        (1, 900, 900),
    ],
)
def test_its_life_is_short(seconds: float, duration: int, expected: int) -> None:
    """As long as the grant, 15 min at least, 30 min or the profile's own life at most."""

    async def play(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        found = granted(stage, seconds)
        ledger = stage.keeper._ledger
        assert (order := ledger.links.order(SUBJECT, stage.now()))
        assert expected == order.seconds
        if seconds > 10:
            await fetch(stage, found.subject)
            assert [{SUBJECT: expected}] == [
                {name: round(each, -1) for name, each in one.items()} for one in lives(stage)
            ]

    on_stage(config(nsrc=key(), admin=role("nsrc", duration_seconds=duration)), play)


@pytest.mark.parametrize("with_date", [True, False], ids=["by AWS's date", "by our clock"])
def test_a_session_that_lives_longer_than_ordered_is_not_taken(with_date: bool) -> None:
    """Such a one is of the role, not of the grant. Without AWS's date its life is cut to what was ordered."""

    async def play(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        stage.skew_seconds = 0 if with_date else None
        granted(stage)
        wide = stage.fresh("admin")
        stage.script = lambda request: [stage.result(name, wide) for name in request.profiles]
        got = await outcome(fetch(stage, SUBJECT))
        if with_date:
            assert "ExchangeFailed" == code(got)
            assert "a session of 3599 seconds, and the grant's has 1800" in got.message
        else:
            assert 1800 + 60 == round(stage.keeper._ledger[SUBJECT].left_seconds(stage.now()))

    on_stage(WITH_ROLE, play)


@staged(WITH_ROLE)
async def test_a_session_is_renewed_while_used_and_not_beyond_its_grant(stage: Stage) -> None:
    """30 min, 30 min, and then the rest of the hour and a half; what lasts to the end is not renewed."""
    await fetch(stage, "nsrc")
    granted(stage, 1.5 * HOUR)
    stage.run()
    while stage.now() < at(1.5 * HOUR - 30):
        await fetch(stage, SUBJECT)
        await asyncio.sleep(20)
    assert [1800, 1800, 1800, 1800] == [round(one[SUBJECT], -2) for one in lives(stage)]
    assert 1 == len(stage.logins())
    assert [] == stage.log.told("session.ending")


@pytest.mark.parametrize(("refresh", "renewals"), [("while-used", 1), ("always", 4)])
def test_the_clock_renews_what_is_a_file(refresh: str, renewals: int) -> None:
    """With `always` the clock gets the session, and renews it; else a session that nobody uses ends, and is dropped."""

    async def play(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        stage.run()
        granted(stage, 1.5 * HOUR, refresh=refresh)
        if refresh == "while-used":
            await login(stage, SUBJECT)
        await asyncio.sleep(1.5 * HOUR - 10)
        assert renewals == len(lives(stage))
        assert (refresh == "always") == (SUBJECT in stage.keeper._ledger.names)

    on_stage(WITH_ROLE, play)


@pytest.mark.parametrize("apart_seconds", [0, 1, 5])
def test_ten_that_fall_due_together_are_one_exchange(apart_seconds: float) -> None:
    """Also where they were got one after the other, within a minute."""

    async def play(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        stage.run()
        stage.takes_seconds = 0.1
        ten = [granted(stage, number=number).subject for number in range(10)]
        for subject in ten if apart_seconds else ():
            await fetch(stage, subject)
            await asyncio.sleep(apart_seconds)
        await asyncio.gather(*(fetch(stage, subject) for subject in ten))
        before = len(stage.asked)
        assert (10 if apart_seconds else 1) == len(stage.assumes())
        await asyncio.sleep(1300)
        (renewal,) = stage.asked[before:]
        assert set(ten) == renewal.profiles == renewal.request.grants.keys()

    on_stage(WITH_ROLE, play)


@staged(WITH_ROLE)
async def test_a_use_counts_as_a_use_of_the_source(stage: Stage) -> None:
    """The session below is renewed for it; the role's own, which nobody uses, is not even got."""
    granted(stage, 12 * HOUR)
    stage.run()
    for _ in range(10):
        await fetch(stage, SUBJECT)
        await asyncio.sleep(HOUR)
    assert (2, None) == (len(stage.logins()), stage.keeper._ledger["admin"].credentials)


@staged(WITH_ROLE)
async def test_a_prompt_for_a_grant_names_its_label(stage: Stage) -> None:
    """A client's of the role itself has none."""
    asker = Requester(inode=7)
    granted(stage)
    await stage.keeper.obtain(SUBJECT, Trigger.CLIENT, asker)
    stage.keeper.forget(["nsrc", "admin"])
    await stage.keeper.obtain("admin", Trigger.CLIENT, asker)
    told = [(facts["profile"], facts.get("label"), facts["inode"]) for facts in stage.log.told("approval.wanted")]
    assert [("admin", "claude", 7), ("admin", None, 7)] == told


@staged(WITH_ROLE)
async def test_a_source_that_aws_rejects_is_not_held_against_its_grants(stage: Stage) -> None:
    """AWS refuses to assume from the session, and then the session: the next client may try from the next one."""
    await fetch(stage, "nsrc")
    granted(stage)
    stage.outcomes[SUBJECT] = stage.identity = SessionEnded("revoked")
    assert "SessionEnded" == code(await outcome(fetch(stage, SUBJECT)))
    assert stage.keeper._ledger[SUBJECT].retry_after_seconds > 2
    await asyncio.sleep(1.5)
    stage.outcomes.clear()
    assert "Credentials" == code(await outcome(fetch(stage, SUBJECT)))
    assert 2 == len(stage.logins())


@staged(WITH_ROLE)
async def test_what_a_grant_waits_for_is_told_by_its_subject(stage: Stage) -> None:
    """Of a login below it, too; nothing is told of the role, for which nobody waits."""
    granted(stage)
    stage.script = lambda request: [Told(name="aws", profiles=request.profiles), *stage._answers(request)]  # type: ignore[list-item] # an exchange tells stages, too
    await fetch(stage, SUBJECT)
    assert [["nsrc", SUBJECT], [SUBJECT]] == [facts["profiles"] for facts in stage.log.told("exchange.stage_reached")]


@staged(WITH_ROLE)
async def test_a_suspicion_is_of_that_very_session(stage: Stage) -> None:
    """AWS is asked about the grant's credentials, under its profile's name, and refuses these alone."""
    granted(stage)
    wide, narrow = await asyncio.gather(fetch(stage, "admin"), fetch(stage, SUBJECT))
    stage.identity = REVOKED
    stage.keeper.suspect(SUBJECT)
    await asyncio.sleep(5)
    assert {"admin": narrow} == stage.asked[-1].request.sessions
    assert "Identity" == code(await outcome(identified(stage)))
    assert (wide, True) == (stage.keeper.take("admin"), stage.keeper.age_seconds(SUBJECT) > 0)


async def identified(stage: Stage) -> Any:
    stage.identity = Stage(WITH_ROLE).identity
    return await stage.keeper.identify(SUBJECT)


@staged(WITH_ROLE)
async def test_a_failure_is_the_grants_own(stage: Stage) -> None:
    """AWS refuses the narrowing: the role's clients hear nothing of it; a refused login is told to both."""
    await fetch(stage, "nsrc")
    granted(stage)
    stage.outcomes[SUBJECT] = REVOKED
    got = await asyncio.gather(*(outcome(fetch(stage, name)) for name in (SUBJECT, "admin")))
    assert ["AccessDenied", "Credentials"] == [code(each) for each in got]
    stage.keeper.forget(["nsrc", "admin"])
    stage.outcomes = {"nsrc": NO}
    got = await asyncio.gather(*(outcome(fetch(stage, name)) for name in (SUBJECT, "admin")))
    assert [NO, NO] == got
    assert stage.keeper.asks_human(SUBJECT)


@pytest.mark.parametrize(
    ("profile", "narrowing"),
    [("nsrc", Narrowing()), ("own", READ_ONLY), ("ruled", READ_ONLY), ("nobody", READ_ONLY)],
)
def test_what_can_have_no_session_of_a_grant_is_refused(profile: str, narrowing: Narrowing) -> None:
    """Keys, a role with a code of its own, session policies that one more would widen, and no profile at all."""

    async def play(stage: Stage) -> None:
        with pytest.raises(ValueError, match=profile):
            granted(stage, profile=profile, narrowing=narrowing)
        assert [] == stage.keeper.grants_of(profile)
        granted(stage, profile="ruled", narrowing=Narrowing())
        with pytest.raises(ValueError, match="another grant's"):
            granted(stage, profile="ruled", narrowing=Narrowing(), label="other")

    on_stage(config(nsrc=key(), own=role("nsrc", mfa="each"), ruled=role("nsrc", policy="{}")), play)


@staged(WITH_ROLE)
async def test_ten_thousand_that_nobody_uses_cost_a_row_each(stage: Stage) -> None:
    """Less than 1 KiB, and nothing at the clock's look: it comes by the sessions of profiles alone."""
    ends_at = stage.now() + timedelta(seconds=HOUR)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(10_000):
            stage.keeper.admit(GrantSession("admin", f"{number:08x}", "claude", READ_ONLY, ends_at))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 10_000 < 1024
    assert (10_000, ["nsrc", "admin"]) == (len(stage.keeper.grants_of("admin")), stage.keeper._ledger.names)
    await fetch(stage, SUBJECT)
    assert ["nsrc", "admin", SUBJECT] == stage.keeper._ledger.names


@staged(WITH_ROLE)
async def test_a_crowd_of_grants_fits_the_exchange(stage: Stage) -> None:
    """Hundreds of them are several requests, and all their clients are answered."""
    await fetch(stage, "nsrc")
    crowd = [granted(stage, number=number).subject for number in range(600)]
    got = await asyncio.gather(*(outcome(fetch(stage, subject)) for subject in crowd))
    assert {"Credentials"} == {code(each) for each in got}
    assert [256, 256, 88] == [len(asked.request.grants) for asked in stage.assumes()]


@staged(WITH_ROLE)
async def test_a_file_that_is_kept_fresh_raises_no_prompt_after_prompt(stage: Stage) -> None:
    """A use, so the clock asks in time, and once more before the end. Requests of clients would ask again and again."""
    await fetch(stage, "nsrc")
    stage.run()
    stage.outcomes["nsrc"] = NO
    while stage.keeper.keep("nsrc"):
        await asyncio.sleep(30)
    assert ["login: nsrc"] * 3 == in_words(stage.asked)


@staged(WITH_ROLE)
async def test_a_file_is_renewed_where_nobody_is_asked(stage: Stage) -> None:
    """As by any other use."""
    await fetch(stage, "nsrc")
    granted(stage)
    before = await fetch(stage, SUBJECT)
    await asyncio.sleep(1500)
    assert before == stage.keeper.keep(SUBJECT)
    await asyncio.sleep(60)
    assert before != stage.keeper.keep(SUBJECT)


@staged(WITH_ROLE)
async def test_a_file_is_written_again_after_forget(stage: Stage) -> None:
    """Its readers cannot ask. Without a prompt the clock gets new credentials; a forgotten login waits for a client."""
    await fetch(stage, "nsrc")
    stage.run()
    granted(stage, refresh="always")
    await asyncio.sleep(30)
    before = stage.keeper.keep(SUBJECT)
    stage.keeper.forget(["admin"])
    assert (None, None) == (stage.keeper.keep(SUBJECT), stage.keeper.take(SUBJECT))
    await asyncio.sleep(60)
    after = stage.keeper.keep(SUBJECT)
    assert after not in (before, None)

    stage.keeper.forget(["nsrc", "admin"])
    for _ in range(4):
        assert stage.keeper.keep(SUBJECT) is None
        await asyncio.sleep(30)
    await fetch(stage, "nsrc")
    stage.keeper.keep(SUBJECT)
    await asyncio.sleep(60)
    assert stage.keeper.keep(SUBJECT) not in (after, None)
    assert 2 == len(stage.logins())
