"""A grant's own session: what is asked for it, who gets it, how long it is kept, and what it costs."""

from __future__ import annotations

import asyncio
import tracemalloc

from datetime import timedelta
from typing import Any

import pytest

from mayfly.daemon.keeper.grant_session import GrantSession
from mayfly.session.demand import Requester, Trigger
from mayfly.shared.errors import AccessDenied, ConfigChanged, ScreenLocked, SessionEnded
from mayfly.shared.grant import GrantOrder, Narrowing
from mayfly.shared.stages import Stage as Told
from support.engine import CHAIN, HERE, HOUR, LOCKED, NO, WITH_ROLE, at, config, key, role
from support.stage import Stage, code, fetch, in_words, login, on_stage, outcome, staged


READ_ONLY = Narrowing(policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",))
REVOKED = AccessDenied("the grant was revoked")
SUBJECT = "admin@0000000a"


def granted(
    stage: Stage, seconds: float = HOUR, profile: str = "admin", number: int = 10, **others: Any
) -> GrantSession:
    """A grant that was admitted, and ends in so many seconds."""
    parts: dict[str, Any] = {"label": "claude", "narrowing": READ_ONLY}
    ends_at = stage.now() + timedelta(seconds=seconds)
    found = GrantSession(profile, f"{number:08x}", ends_at=ends_at, **parts | others)
    stage.keeper.admit(found)
    return found


def lives(stage: Stage) -> list[dict[str, int]]:
    """The seconds that were ordered for grants, in each request that had any."""
    return [
        {name: order.seconds for name, order in asked.request.grants.items()}
        for asked in stage.asked
        if asked.request.grants
    ]


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
async def test_what_is_dropped_does_not_outlive_a_kill(stage: Stage) -> None:
    """The sessions are stored at once, without it."""
    granted(stage)
    await fetch(stage, SUBJECT)
    heard: list[bool] = []
    stage.keeper._ledger._on_change = lambda: heard.append(SUBJECT.encode() in stage.keeper.snapshot())
    stage.keeper.dismiss(SUBJECT, REVOKED)
    assert [False] == heard


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
