"""Roles: what they are assumed from, and what their failures mean for the session below."""

import asyncio

from datetime import timedelta

import pytest

from mayfly.shared.desk import Scene
from mayfly.shared.errors import (
    AccessDenied,
    AccessKeyUnknown,
    ApprovalIgnored,
    AwsThrottled,
    MayflyError,
    SessionEnded,
)
from mayfly.shared.wire import Identity
from support.engine import (
    ACCOUNT,
    AWAY,
    CHAIN,
    DUE,
    HERE,
    HOUR,
    LOCKED,
    NO,
    ONE,
    WITH_ROLE,
    config,
    key,
    role,
)
from support.stage import Stage, code, fetch, in_words, login, on_stage, outcome, staged


LONG_CHAIN = config(nsrc=key(), a=role("nsrc"), b=role("a"), c=role("b"))


@staged(WITH_ROLE)
async def test_a_cold_role_comes_with_its_login(stage: Stage) -> None:
    """One exchange brings the session and the role above it."""
    await fetch(stage, "admin")
    assert (["login: nsrc admin"], True) == (in_words(stage.asked), stage.keeper.take("nsrc") is not None)


@staged(WITH_ROLE)
async def test_a_role_on_a_live_session_asks_nobody(stage: Stage) -> None:
    """AssumeRole from the live session: no op, and no presence needed."""
    await fetch(stage, "nsrc")
    stage.scene = LOCKED
    await fetch(stage, "admin")
    assert ["login: nsrc", "assume: admin < nsrc"] == in_words(stage.asked)


@staged(CHAIN)
async def test_a_cold_chain_comes_whole(stage: Stage) -> None:
    """Every link between the keys and the role is got in one exchange."""
    await fetch(stage, "deep")
    assert ["login: nsrc admin deep"] == in_words(stage.asked)


@staged(CHAIN)
async def test_a_chain_starts_at_the_nearest_live_session(stage: Stage) -> None:
    """The chain starts at the nearest live session, and no session below that is renewed."""
    await fetch(stage, "nsrc")
    await fetch(stage, "deep")
    stage.keeper.forget(["deep"])
    await fetch(stage, "deep")
    assert ["login: nsrc", "assume: admin deep < nsrc", "assume: deep < admin"] == in_words(stage.asked)


@staged(LONG_CHAIN)
async def test_what_is_dead_below_a_live_link_is_left_alone(stage: Stage) -> None:
    """A role above a live role needs nothing from below it."""
    await fetch(stage, "b")
    stage.keeper.forget(["a", "nsrc"])
    await fetch(stage, "c")
    assert "assume: c < b" == in_words(stage.asked)[-1]


@staged(config(nsrc=key(), a=role("nsrc", "a"), b=role("nsrc", "b")))
async def test_a_role_fails_alone(stage: Stage) -> None:
    """AWS's refusal of one role is no failure of the other roles, nor of the session below."""
    stage.outcomes["a"] = AccessDenied("not you")
    results = await asyncio.gather(*(outcome(fetch(stage, name)) for name in ("a", "b", "nsrc")))
    rows = {row.profile: row.last_error for row in stage.keeper.status()}
    assert ["AccessDenied", "Credentials", "Credentials"] == [code(result) for result in results]
    assert ["a"] == [name for name, error in rows.items() if error]


@staged(config(nsrc=key(), a=role("nsrc", "a"), b=role("nsrc", "b")))
async def test_roles_that_come_together_are_one_exchange(stage: Stage) -> None:
    """Roles of one session are assumed by one exchange; one that comes later starts its own at once."""
    await fetch(stage, "nsrc")
    await asyncio.gather(fetch(stage, "a"), fetch(stage, "b"))
    assert ["login: nsrc", "assume: a b < nsrc"] == in_words(stage.asked)


@staged(config(nsrc=key(), a=role("nsrc", "a"), b=role("nsrc", "b"), c=role("nsrc", "c")))
async def test_roles_do_not_queue(stage: Stage) -> None:
    """While one role is being assumed the next one starts."""
    await fetch(stage, "nsrc")
    started = stage.now()
    first = asyncio.ensure_future(fetch(stage, "a"))
    await asyncio.sleep(0.5)
    second = asyncio.ensure_future(fetch(stage, "b"))
    await asyncio.sleep(0.6)
    third = asyncio.ensure_future(fetch(stage, "c"))
    await asyncio.gather(first, second, third)
    assert stage.now() - started < timedelta(seconds=2.5)
    assert ["assume: a < nsrc", "assume: b < nsrc", "assume: c < nsrc"] == in_words(stage.assumes())
    assert 4 == stage.launched


@staged(WITH_ROLE)
async def test_a_role_does_not_wait_for_a_human_when_its_session_lives(stage: Stage) -> None:
    """During the prompt that renews the session below, a role is assumed from the old session, which is still live."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    stage.takes_seconds = 50
    stage.keeper.take("nsrc")
    await asyncio.sleep(1)
    stage.takes_seconds = 0.2
    began = stage.now()
    await fetch(stage, "admin")
    assert stage.now() - began < timedelta(seconds=1)
    assert ["login: nsrc", "login: nsrc", "assume: admin < nsrc"] == in_words(stage.asked)


@staged(WITH_ROLE)
async def test_a_role_that_is_wanted_with_a_renewal_is_not_made_to_wait_for_it(stage: Stage) -> None:
    """A role that is wanted at the same moment as the renewal is assumed from the live session at once."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    renewing = asyncio.ensure_future(login(stage, "nsrc"))
    await asyncio.sleep(0)
    await fetch(stage, "admin")
    await renewing
    assert {"login: nsrc", "assume: admin < nsrc"} == set(in_words(stage.asked[1:]))


@staged(WITH_ROLE)
async def test_a_latecomer_learns_why(stage: Stage) -> None:
    """A role is wanted during a login that then fails: it gets the login's error, and no failure of its own."""
    stage.outcomes["nsrc"] = NO
    base = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    late = await outcome(fetch(stage, "admin"))
    rows = {row.profile: row.last_error for row in stage.keeper.status()}
    assert ([NO, NO], None) == ([await base, late], rows["admin"])


@staged(WITH_ROLE)
async def test_a_latecomer_is_served_after_the_login(stage: Stage) -> None:
    """A role is wanted during a login that then succeeds: it is assumed from the new session."""
    base = asyncio.ensure_future(fetch(stage, "nsrc"))
    await asyncio.sleep(0.5)
    await fetch(stage, "admin")
    await base
    assert ["login: nsrc", "assume: admin < nsrc"] == in_words(stage.asked)


@staged(WITH_ROLE)
async def test_a_role_whose_ground_goes_is_told(stage: Stage) -> None:
    """The session is forgotten before its role is assumed: the role's client gets an error at once."""
    await fetch(stage, "nsrc")
    late = asyncio.ensure_future(outcome(fetch(stage, "admin")))
    await asyncio.sleep(0.001)
    stage.keeper.forget(["nsrc"])
    assert ("ExchangeFailed", "ask again") == (code(await late), late.result().hint)
    assert "Credentials" == code(await outcome(fetch(stage, "admin")))


@staged(WITH_ROLE)
async def test_a_role_is_refused_for_what_its_login_was_refused_for(stage: Stage) -> None:
    """After a dismissed login the role's clients get that error, and not an older one of the role itself."""
    await fetch(stage, "nsrc")
    stage.outcomes["admin"] = AccessDenied("not you")
    await outcome(fetch(stage, "admin"))
    stage.stepped_seconds = 9 * HOUR
    stage.outcomes["nsrc"] = NO
    assert [NO, NO] == [await outcome(fetch(stage, "admin")), await outcome(fetch(stage, "admin"))]
    assert 3 == len(stage.asked)


REFUSALS = [SessionEnded("AWS says it has ended"), AccessKeyUnknown("who?")]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_revoked_session_is_found_out_by_its_role(refusal: MayflyError) -> None:
    """AWS refuses AssumeRole, and then the source session: a new session comes, and the role from it."""

    async def play(stage: Stage) -> None:
        old = await fetch(stage, "nsrc")
        await asyncio.sleep(HOUR)
        stage.outcomes["admin"] = stage.identity = refusal
        refused = await outcome(fetch(stage, "admin"))
        await asyncio.sleep(1.5)
        stage.outcomes.clear()
        await fetch(stage, "admin")
        assert ["login: nsrc", "assume: admin < nsrc", "verify:  < nsrc", "login: nsrc", "assume: admin < nsrc"] == (
            in_words(stage.asked)
        )
        assert (refusal, False) == (refused, old == stage.keeper.take("nsrc"))

    on_stage(WITH_ROLE, play)


@pytest.mark.parametrize("identity", [Identity(user_id="AIDA", account=ACCOUNT, arn="arn"), AwsThrottled("slow down")])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_role_that_aws_refuses_alone_takes_no_session_with_it(
    refusal: MayflyError, identity: Identity | MayflyError
) -> None:
    """AWS answers for a disabled region as for an unknown key: the role backs off, and nobody is prompted."""

    async def play(stage: Stage) -> None:
        old = await fetch(stage, "nsrc")
        stage.outcomes["admin"], stage.identity = refusal, identity
        for _ in range(240):
            await outcome(fetch(stage, "admin"))
            await asyncio.sleep(5)
        kinds = [asked.kind for asked in stage.asked]
        assert (1, old) == (kinds.count("login"), stage.keeper.take("nsrc"))
        assert kinds.count("verify") <= 4
        assert kinds.count("assume") <= 10

    on_stage(WITH_ROLE, play)


@staged(WITH_ROLE)
async def test_a_role_gives_its_base_a_last_chance(stage: Stage) -> None:
    """The base expired after a dismissed prompt: the clock prompts once more, five minutes before its role ends."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    await asyncio.sleep(DUE - 30)
    await fetch(stage, "admin")
    stage.outcomes["nsrc"] = NO
    await asyncio.sleep(1300)
    stage.scene = AWAY
    await asyncio.sleep(400)
    stage.scene = HERE
    await asyncio.sleep(3 * HOUR)
    work.cancel()
    role_ends = DUE - 30 + HOUR
    assert [DUE, 8 * HOUR - 300, role_ends - 300] == [
        pytest.approx(asked.loop_seconds, abs=5) for asked in stage.logins()[1:]
    ]


@staged(
    config(
        nsrc=key(),
        used=role("nsrc", "a"),
        idle=role("nsrc", "b", refresh="always"),
        asked=role("nsrc", refresh="on-demand"),
    )
)
async def test_whose_last_chance_counts_for_the_base(stage: Stage) -> None:
    """The base's last chance is before the end of the first role that is in use, kept, and outlives it."""
    ledger = stage.keeper._ledger
    ends = []
    for second, who in ((0, login), (7 * HOUR + 60, login), (7 * HOUR + 120, fetch)):
        stage.stepped_seconds = second
        for name in ("idle", "asked", "used") if who is login else ("used",):
            await who(stage, name)
            stage.stepped_seconds += 5
        ends.append(ledger.needed_until("nsrc", stage.now()))
    await fetch(stage, "asked")
    used = ledger["used"].ends_at()
    assert [None, None, used] == ends
    assert used == ledger.needed_until("nsrc", stage.now())
    await login(stage, "nsrc")
    assert ledger.needed_until("nsrc", stage.now()) is None


@staged(ONE)
async def test_an_ignored_prompt_is_shown_at_one_unlock(stage: Stage) -> None:
    """However often the screen is unlocked, the prompt is shown once more, and then five minutes before the end."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    await asyncio.sleep(DUE - 10)
    stage.outcomes["nsrc"] = ApprovalIgnored("a minute went by")
    for _ in range(10):
        await asyncio.sleep(60)
        stage.scene = LOCKED
        await asyncio.sleep(60)
        stage.scene = Scene(unlocked_at=stage.now())
    work.cancel()
    found = [DUE, DUE + 110, 8 * HOUR - 300]
    assert found == [pytest.approx(asked.loop_seconds, abs=90) for asked in stage.logins()[1:]]


@staged(WITH_ROLE)
async def test_a_role_that_waits_for_its_base_says_for_what(stage: Stage) -> None:
    """The role's status says why the session below does not come."""
    await fetch(stage, "admin")
    stage.stepped_seconds = 9 * HOUR
    stage.outcomes["nsrc"] = NO
    await outcome(fetch(stage, "admin"))
    assert [NO.hint_for("nsrc"), NO.hint_for("admin")] == [row.next_step for row in stage.keeper.status()]
