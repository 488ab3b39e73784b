"""The engine with the exchange, the desk and the time played by the test."""

import asyncio
import itertools

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import pytest

from mayfly.session.demand import Requester, Trigger
from mayfly.shared.desk import Scene
from mayfly.shared.errors import (
    AccessDenied,
    AccessKeyUnknown,
    ApprovalIgnored,
    AwsThrottled,
    ExchangeFailed,
    ItemNotFound,
    MayflyError,
    SessionEnded,
)
from mayfly.shared.wire import Identity, Request, Result
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
    at,
    config,
    credentials,
    key,
    role,
)
from support.stage import Stage, code, fetch, in_words, login, on_stage, outcome, staged


LONG_CHAIN = config(nsrc=key(), a=role("nsrc"), b=role("a"), c=role("b"))


# One exchange for everybody


@staged(ONE)
async def test_a_thousand_waiters_are_one_exchange(stage: Stage) -> None:
    """1,000 cold clients at once: one process, one login, one look at the desk, everybody served the same."""
    got = await asyncio.gather(*(fetch(stage, "nsrc") for _ in range(1000)))
    assert (["login: nsrc"], 1, 1, 1) == (in_words(stage.asked), stage.launched, stage.looks, len(set(map(id, got))))


@staged(ONE)
async def test_what_is_fresh_comes_from_memory(stage: Stage) -> None:
    """One exchange, and none for the second fetch."""
    first = await fetch(stage, "nsrc")
    second = await fetch(stage, "nsrc")
    assert (True, 1) == (first is second, len(stage.asked))


@staged(ONE)
async def test_who_waits_for_what_is_fresh_gets_it_at_once(stage: Stage) -> None:
    """A client that finds nothing, and then finds that others have got it meanwhile, starts nothing."""
    first = await fetch(stage, "nsrc")
    assert (first, 1) == (await stage.keeper.obtain("nsrc", Trigger.CLIENT), len(stage.asked))


@staged(config(a=key("a"), b=key("b"), c=key("c")))
async def test_those_who_come_together_are_asked_for_together(stage: Stage) -> None:
    """Several profiles of one 1Password account: one prompt."""
    await asyncio.gather(*(fetch(stage, name) for name in "abc"))
    assert ["login: a b c"] == in_words(stage.asked)


@staged(config(a=key("a"), b=key("b", onepassword="work"), c=key("c")))
async def test_two_accounts_are_asked_one_after_the_other(stage: Stage) -> None:
    """1Password's human gets one question at a time."""
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
    """An exchange that waits for another code looks once more before it prompts; with `--through-lock` it prompts."""

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
    """The wait alone takes nothing from anybody."""
    stage.waits_for_leave = True
    assert "Credentials" == code(await outcome(fetch(stage, "nsrc")))
    assert 1 == stage.leaves


@staged(ONE)
async def test_an_exchange_that_had_to_wait_prompts_for_no_daemon_that_ends(stage: Stage) -> None:
    """Who answered then would have answered in vain."""
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
    """The look at the desk goes on for those who share it."""
    stage.scene_takes_seconds = 2
    leaving, staying = (asyncio.ensure_future(fetch(stage, "nsrc")) for _ in range(2))
    await asyncio.sleep(0.5)
    leaving.cancel()
    await staying
    assert (1, 1) == (stage.looks, len(stage.asked))


@staged(ONE)
async def test_the_last_waiter_may_leave(stage: Stage) -> None:
    """An approval that nobody waits for any more is not in vain: the next client is served."""
    leaving = asyncio.ensure_future(fetch(stage, "nsrc"))
    await asyncio.sleep(0.5)
    leaving.cancel()
    await asyncio.sleep(1)
    assert stage.keeper.take("nsrc")


# Roles


@staged(WITH_ROLE)
async def test_a_cold_role_comes_with_its_login(stage: Stage) -> None:
    """One exchange brings the session and the role above it."""
    await fetch(stage, "admin")
    assert (["login: nsrc admin"], True) == (in_words(stage.asked), stage.keeper.take("nsrc") is not None)


@staged(WITH_ROLE)
async def test_a_role_on_a_live_session_asks_nobody(stage: Stage) -> None:
    """AssumeRole from the session in hand: no op, nobody at the desk needed."""
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
    """What is live below is used, and nothing below that is asked for again."""
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
    """What AWS says to one role is not said to the others, nor held against the session below."""
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
    """While somebody is being asked to renew the session below, a role is assumed from what it still is."""
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
    """Wanted in the same moment, the role goes by the live session, and not with the prompt."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    renewing = asyncio.ensure_future(login(stage, "nsrc"))
    await asyncio.sleep(0)
    await fetch(stage, "admin")
    await renewing
    assert {"login: nsrc", "assume: admin < nsrc"} == set(in_words(stage.asked[1:]))


@staged(WITH_ROLE)
async def test_a_latecomer_learns_why(stage: Stage) -> None:
    """A role that comes while a login runs that then fails gets the login's error, and has no failure of its own."""
    stage.outcomes["nsrc"] = NO
    base = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    late = await outcome(fetch(stage, "admin"))
    rows = {row.profile: row.last_error for row in stage.keeper.status()}
    assert ([NO, NO], None) == ([await base, late], rows["admin"])


@staged(WITH_ROLE)
async def test_a_latecomer_is_served_after_the_login(stage: Stage) -> None:
    """A role that comes while a login runs that then succeeds is assumed from what it brought."""
    base = asyncio.ensure_future(fetch(stage, "nsrc"))
    await asyncio.sleep(0.5)
    await fetch(stage, "admin")
    await base
    assert ["login: nsrc", "assume: admin < nsrc"] == in_words(stage.asked)


@staged(WITH_ROLE)
async def test_a_role_whose_ground_goes_is_told(stage: Stage) -> None:
    """A session that is forgotten before the role above it is asked for leaves nobody waiting for ever."""
    await fetch(stage, "nsrc")
    late = asyncio.ensure_future(outcome(fetch(stage, "admin")))
    await asyncio.sleep(0.001)
    stage.keeper.forget(["nsrc"])
    assert ("ExchangeFailed", "ask again") == (code(await late), late.result().hint)
    assert "Credentials" == code(await outcome(fetch(stage, "admin")))


@staged(WITH_ROLE)
async def test_a_role_is_refused_for_what_its_login_was_refused_for(stage: Stage) -> None:
    """After a dismissed login the role's clients are told that, also where the role once failed by itself."""
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
    """AWS refuses AssumeRole from a session, and the session itself: a new one comes, and the role at once from it."""

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
    """A region that is not enabled sounds like a key that is unknown: the role backs off, and nobody is prompted."""

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
    """The prompt for the base was dismissed, and it ended: five minutes before the role does, once more."""
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
    """That of the first role that is in use, is kept by the clock, and outlives it."""
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
    """However often somebody locks and unlocks: once more, and then five minutes before the end."""
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
    """Status tells of the role what keeps the session below it from coming."""
    await fetch(stage, "admin")
    stage.stepped_seconds = 9 * HOUR
    stage.outcomes["nsrc"] = NO
    await outcome(fetch(stage, "admin"))
    assert [NO.hint] * 2 == [row.next_step for row in stage.keeper.status()]


# Ahead of the end


@staged(config(nsrc=key(), twin=key(refresh="on-demand")))
async def test_who_raises_a_prompt_is_told_by_the_name_that_they_asked_for(stage: Stage) -> None:
    """Cold or due, the profile is the one asked for, and the socket that of whoever asked first."""
    await stage.keeper.obtain("twin", Trigger.CLIENT, Requester(7))
    stage.stepped_seconds = DUE + 60
    for inode in (8, 9):
        stage.keeper.take("twin", Requester(inode))
    await asyncio.sleep(2)
    told = [{"profile": "twin", "inode": inode, "pid": 0} for inode in (7, 8)]
    assert (told, 2) == (stage.log.told("approval.wanted"), len(stage.logins()))


@staged(ONE)
async def test_what_raises_no_prompt_is_not_announced(stage: Stage) -> None:
    """A client that may not ask, and one that waits for a prompt that is there, tell nobody anything."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    stage.outcomes["nsrc"] = NO
    await asyncio.gather(
        login(stage, "nsrc"), outcome(stage.keeper.obtain("nsrc", Trigger.CLIENT)), return_exceptions=True
    )
    stage.keeper.take("nsrc", Requester(8))
    await asyncio.sleep(1)
    stage.scene = LOCKED
    await asyncio.sleep(60)
    stage.keeper.take("nsrc", Requester(9))
    await asyncio.sleep(1)
    assert ([], 2) == (stage.log.told("approval.wanted")[1:], len(stage.logins()))


@staged(ONE)
async def test_a_client_is_served_while_a_refresh_runs(stage: Stage) -> None:
    """Inside the window a fetch is answered at once with what is still good, and starts one refresh."""
    old = await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    first, second = stage.keeper.take("nsrc"), stage.keeper.take("nsrc")
    await asyncio.sleep(0.5)
    third = stage.keeper.take("nsrc")
    await asyncio.sleep(1)
    new = stage.keeper.take("nsrc")
    assert ([old] * 3, True, 2) == ([first, second, third], new != old, len(stage.asked))


@staged(ONE)
async def test_a_client_is_served_while_a_refresh_fails(stage: Stage) -> None:
    """A refresh that fails takes nothing away."""
    old = await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    stage.outcomes["nsrc"] = NO
    stage.keeper.take("nsrc")
    await asyncio.sleep(2)
    assert old == await fetch(stage, "nsrc")


@staged(ONE)
async def test_in_the_window_a_client_that_waits_is_content_with_the_old(stage: Stage) -> None:
    """`obtain` for a client raises nothing while there is something to hand out; for a person it does."""
    old = await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    stage.outcomes["nsrc"] = NO
    content = await outcome(stage.keeper.obtain("nsrc", Trigger.CLIENT))
    person = await outcome(login(stage, "nsrc"))
    assert (old, NO) == (content, person)


@staged(ONE)
async def test_polling_through_a_refusal_asks_the_desk_seldom(stage: Stage) -> None:
    """Clients that are served from what is due, and may not ask yet, cost no look at the desk."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds = DUE + 60
    stage.outcomes["nsrc"] = NO
    stage.keeper.take("nsrc")
    await asyncio.sleep(2)
    looks = stage.looks
    for _ in range(100):
        stage.keeper.take("nsrc")
        await asyncio.sleep(0.1)
    assert (looks, 2) == (stage.looks, len(stage.asked))


@staged(ONE)
async def test_polling_at_a_locked_screen_looks_once_a_second(stage: Stage) -> None:
    """However many ask, who is there is looked up once a second at most."""
    stage.scene = LOCKED
    codes = set()
    for _ in range(100):
        codes.add(code(await outcome(fetch(stage, "nsrc"))))
        await asyncio.sleep(0.1)
    assert ({"ScreenLocked"}, 0) == (codes, len(stage.asked))
    assert 8 <= stage.looks <= 11


@staged(ONE)
async def test_the_clock_renews_what_is_in_use(stage: Stage) -> None:
    """Looked after by `run`, a polled profile never goes below its window's end."""
    work = asyncio.ensure_future(stage.keeper.run())
    for _ in range(100):
        got = await fetch(stage, "nsrc")
        assert got.expiration - stage.now() >= timedelta(minutes=19)
        await asyncio.sleep(900)
    work.cancel()
    assert ["login: nsrc"] * 4 == in_words(stage.asked)


@staged(ONE)
async def test_the_clock_lets_go_of_what_nobody_uses(stage: Stage) -> None:
    """One fetch, one renewal in its life, and then silence; a person's login is no use of it."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    await asyncio.sleep(40 * HOUR)
    used = len(stage.asked)
    await login(stage, "nsrc")
    await asyncio.sleep(40 * HOUR)
    work.cancel()
    assert (2, 3) == (used, len(stage.asked))


@staged(ONE)
async def test_an_idle_daemon_looks_for_nobody(stage: Stage) -> None:
    """With nothing in use, a day costs no look at the desk and no exchange."""
    work = asyncio.ensure_future(stage.keeper.run())
    await asyncio.sleep(24 * HOUR)
    work.cancel()
    assert (0, 0) == (stage.looks, stage.launched)


@staged(config(nsrc=key(onepassword="robot"), admin=role("nsrc")))
async def test_a_service_account_needs_nobody(stage: Stage) -> None:
    """Where nobody is asked, everything is always fresh, behind any lock, and the desk is never asked."""
    stage.scene = LOCKED
    work = asyncio.ensure_future(stage.keeper.run())
    await asyncio.sleep(5)
    for _ in range(24 * 6):
        assert all(row.phase in {"fresh", "due"} for row in stage.keeper.status())
        await asyncio.sleep(600)
    work.cancel()
    assert (0, 4) == (stage.looks, len(stage.logins()))


@staged(ONE)
async def test_a_night_asleep_ends_at_the_unlock(stage: Stage) -> None:
    """Nine hours of suspend behind a lock: no prompt while locked, one at the first look after the unlock."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    stage.scene, stage.stepped_seconds = LOCKED, 9 * HOUR
    await asyncio.sleep(600)
    locked = len(stage.asked)
    stage.scene = Scene(unlocked_at=stage.now())
    await asyncio.sleep(31)
    work.cancel()
    assert (1, 2, "fresh") == (locked, len(stage.asked), stage.keeper.status()[0].phase)


@staged(ONE)
async def test_nobody_there_nobody_asked(stage: Stage) -> None:
    """Away from the window to long after the end: nothing is asked before a client asks."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    stage.scene = AWAY
    await asyncio.sleep(10 * HOUR)
    absent = len(stage.asked)
    await fetch(stage, "nsrc")
    work.cancel()
    assert (1, 2) == (absent, len(stage.asked))


@staged(ONE)
async def test_a_laptop_asleep_while_the_answer_came_is_no_skew(stage: Stage) -> None:
    """Credentials that waited nine hours to be read have nine hours less to live, and are not served."""

    def answer(request: Request) -> list[Result]:
        fresh = stage.result("nsrc", stage.fresh("nsrc"))
        fresh = Result(profile="nsrc", outcome=fresh.outcome, aws_at=stage.now())
        stage.stepped_seconds += 9 * HOUR
        return [fresh]

    stage.script = answer
    assert "ExchangeFailed" == code(await outcome(fetch(stage, "nsrc")))


@pytest.mark.parametrize("skew", [-3600.0, 3600.0, 1.0, -1.0, 0.0])
def test_skew_is_read_from_the_answer(skew: float) -> None:
    """An hour fast or slow, the life is what AWS gave, less the time that the answer took; a second is noise."""

    async def play(stage: Stage) -> None:
        stage.skew_seconds = skew
        await fetch(stage, "nsrc")
        row = stage.keeper.status()[0]
        told = 0 if abs(skew) < 2 else skew
        assert row.skew_seconds == pytest.approx(told, abs=2)
        assert row.expires_in_seconds == pytest.approx(8 * HOUR, abs=3)

    on_stage(ONE, play)


@pytest.mark.parametrize("years", [-56, -1])
def test_a_date_of_long_ago_lengthens_no_life(years: int) -> None:
    """AWS gives no longer life than it was asked for, whatever its answer is dated."""

    async def play(stage: Stage) -> None:
        stage.script = lambda request: [
            Result(profile=name, outcome=stage.fresh(name), aws_at=stage.now() + timedelta(days=365 * years))
            for name in request.subjects
        ]
        await fetch(stage, "nsrc")
        row = stage.keeper.status()[0]
        assert 0 <= row.expires_in_seconds - 8 * HOUR <= 60
        stage.stepped_seconds = 8 * HOUR + 61
        assert stage.keeper.take("nsrc") is None

    on_stage(ONE, play)


@staged(config(nsrc=key(onepassword="robot"), admin=role("nsrc", duration_seconds=900)))
async def test_a_role_s_life_is_its_own(stage: Stage) -> None:
    """What was asked for is asked of the profile; a clock that is behind by an hour shortens what seems longer."""
    await fetch(stage, "admin")
    lives = {row.profile: row.expires_in_seconds for row in stage.keeper.status()}
    assert {"nsrc": pytest.approx(8 * HOUR, abs=60), "admin": pytest.approx(960, abs=2)} == lives


def windows(stage: Stage) -> set[float]:
    """How long before its end each session is due."""
    return {
        (row.expiration - row.due_at).total_seconds() for row in stage.keeper.status() if row.expiration and row.due_at
    }


@pytest.mark.parametrize(("way", "window"), [("robot", 75 * 60), (None, 20 * 60)])
def test_machines_are_spread_and_people_are_not(way: str | None, window: float) -> None:
    """Sessions that came together are due within a minute of each other, and never late; those of people together."""

    async def play(stage: Stage) -> None:
        names = [f"p{number}" for number in range(20)]
        await asyncio.gather(*(fetch(stage, name) for name in names))
        early = [seconds - window for seconds in windows(stage)]
        assert all(0 <= seconds <= 60 for seconds in early)
        assert (1 if way is None else 20) == len(early)

    on_stage(config(**{f"p{number}": key(f"k{number}", onepassword=way) for number in range(20)}), play)


@staged(config(**{f"p{number}": key(f"k{number}", onepassword="robot") for number in range(20)}))
async def test_retries_of_machines_are_spread(stage: Stage) -> None:
    """What AWS throttled at once does not come back at once: each wait is its own, from half of 5 s to 5 s."""
    stage.outcomes = {f"p{number}": AwsThrottled("slow down") for number in range(20)}
    await asyncio.gather(*(outcome(fetch(stage, name)) for name in stage.outcomes))
    waits = [stage.keeper._ledger[name].retry_after_seconds for name in stage.outcomes]
    assert 20 == len(set(waits))
    assert all(2.5 <= seconds <= 5 for seconds in waits)


# Company


@staged(config(a=key("a", duration_seconds=36000), b=key("b"), c=key("c"), d=key("d", onepassword="work")))
async def test_one_prompt_takes_along_who_is_due_soon(stage: Stage) -> None:
    """A login takes every profile of that account along that is in use and due within the hour, and no other."""
    for name in "abd":
        await fetch(stage, name)
    stage.stepped_seconds = DUE - 1800
    await fetch(stage, "c")
    assert "login: a b c" == in_words(stage.asked)[-1]
    rows = {row.profile: row.expires_in_seconds for row in stage.keeper.status()}
    assert rows["b"] == pytest.approx(8 * HOUR, abs=5)


@staged(config(a=key("a"), b=key("b")))
async def test_two_of_an_hour_are_one_prompt_from_then_on(stage: Stage) -> None:
    """Of two lives of an hour the one that began a quarter earlier is taken along, and both are renewed together."""
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
    """What costs no prompt is got when it is due, and not before."""

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
    """A code serves one: who shares the device of somebody who is waited for comes another time."""

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


@staged(config(a=key("a"), b=key("b")))
async def test_dismissed_company_is_not_asked_for_ten_minutes_later(stage: Stage) -> None:
    """A no to a and b is a no to b, also where b is due only ten minutes later: five minutes before its end, once."""
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
    """Who is taken along is under way: a person who asks for it waits for the same exchange."""
    await fetch(stage, "a")
    stage.stepped_seconds = DUE - 1800
    taking = asyncio.ensure_future(fetch(stage, "b"))
    await asyncio.sleep(0.5)
    await login(stage, "a")
    await taking
    assert ["login: a", "login: a b"] == in_words(stage.asked)


# A person


@staged(WITH_ROLE)
async def test_a_person_renews_what_is_fresh(stage: Stage) -> None:
    """`mayfly login` gets new credentials now, with or without need; a role on a live session also behind a lock."""
    old = await fetch(stage, "nsrc")
    new = await login(stage, "nsrc")
    stage.scene = LOCKED
    role_too = await login(stage, "admin")
    assert (True, role_too) == (new != old, stage.keeper.take("admin"))
    assert ["login: nsrc", "login: nsrc", "assume: admin < nsrc"] == in_words(stage.asked)


@staged(ONE)
async def test_a_person_is_not_kept_waiting_by_a_refusal(stage: Stage) -> None:
    """After a no a client has to wait, a person does not, and their no starts the waits anew."""
    stage.outcomes["nsrc"] = NO
    client = [await outcome(fetch(stage, "nsrc")) for _ in range(3)]
    person = [await outcome(login(stage, "nsrc")) for _ in range(3)]
    assert ([NO] * 6, 4) == (client + person, len(stage.asked))
    assert 1 == stage.keeper._ledger["nsrc"].consecutive_failures


@staged(ONE)
async def test_forgotten_is_gone_until_somebody_asks(stage: Stage) -> None:
    """`mayfly forget` empties memory; the next client gets new ones."""
    await fetch(stage, "nsrc")
    stage.keeper.forget(["nsrc"])
    work = asyncio.ensure_future(stage.keeper.run())
    await asyncio.sleep(10 * HOUR)
    gone, asked = stage.keeper.take("nsrc"), len(stage.asked)
    await fetch(stage, "nsrc")
    work.cancel()
    assert (None, 1, 2) == (gone, asked, len(stage.asked))


@staged(ONE)
async def test_forgotten_on_its_way_does_not_come_back(stage: Stage) -> None:
    """What arrives after a forget is dropped, and who waited is told to ask again."""
    waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    stage.keeper.forget(["nsrc"])
    refused = await waiting
    assert ("ExchangeFailed", None) == (code(refused), stage.keeper.take("nsrc"))
    assert stage.keeper.status()[0].last_error is None


@staged(ONE)
async def test_forgotten_and_asked_for_again_comes(stage: Stage) -> None:
    """A client that asks after the forget is served by the exchange under way."""
    first = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    stage.keeper.forget(["nsrc"])
    second = await fetch(stage, "nsrc")
    assert (second, 1) == (await first, len(stage.asked))


# Exchanges that break


def wrong_profile(stage: Stage) -> list[object]:
    return [stage.result("other", stage.fresh("nsrc"))]


def expired(stage: Stage) -> list[object]:
    return [stage.result("nsrc", credentials(stage.now()))]


def other_account(stage: Stage) -> list[object]:
    return [stage.result("nsrc", credentials(stage.now() + timedelta(hours=8), account_id="1" * 12))]


def somebody(stage: Stage) -> list[object]:
    return [stage.result("nsrc", Identity(user_id="AIDA", account=ACCOUNT, arn="arn"))]


BROKEN: list[tuple[str, Callable[[Stage], Sequence[object]], str]] = [
    ("wrong profile", wrong_profile, "not asked for"),
    ("expired", expired, "already ended"),
    ("other account", other_account, "account 111111111111"),
    ("an identity", somebody, "misunderstood"),
    ("nothing", lambda _: [], "without an answer"),
    ("truncated", lambda _: [ExchangeFailed("the exchange's answer is cut off")], "cut off"),
    ("broken pipe", lambda _: [BrokenPipeError(32, "Broken pipe")], "Broken pipe"),
    ("nameless", lambda _: [OSError()], "OSError"),
]


@pytest.mark.parametrize(("answer", "words"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
@pytest.mark.parametrize("has_old", [True, False])
def test_a_malformed_result_takes_nothing_away(
    answer: Callable[[Stage], Sequence[object]], words: str, has_old: bool
) -> None:
    """Whatever an exchange brings that is not what was asked for is refused in words, and the old goes on."""

    async def play(stage: Stage) -> None:
        old = await fetch(stage, "nsrc") if has_old else None
        stage.script = lambda _: answer(stage)  # type: ignore[assignment, return-value] # malformed is the point
        refused = await outcome(login(stage, "nsrc"))
        assert words in refused.message
        assert old == stage.keeper.take("nsrc")
        assert stage.keeper.status()[0].last_error is not None

    on_stage(config(nsrc=key(account_id=ACCOUNT)), play)


@staged(ONE)
async def test_a_second_answer_is_not_believed(stage: Stage) -> None:
    """One line a profile: what comes after it changes nothing."""
    stage.script = lambda _: [stage.result("nsrc", stage.fresh("nsrc")), stage.result("nsrc", NO)]
    got = await fetch(stage, "nsrc")
    await asyncio.sleep(1)
    assert (got, None) == (stage.keeper.take("nsrc"), stage.keeper.status()[0].last_error)


@staged(WITH_ROLE)
async def test_what_came_before_the_cut_is_kept(stage: Stage) -> None:
    """The session arrived, the role's line did not: the session is good, the role failed."""
    stage.script = lambda _: [stage.result("nsrc", stage.fresh("nsrc"))]
    refused = await outcome(fetch(stage, "admin"))
    rows = {row.profile: row.phase for row in stage.keeper.status()}
    assert ("ExchangeFailed", {"nsrc": "fresh", "admin": "empty"}) == (code(refused), rows)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (OSError(), "OSError"),
        (ExchangeFailed("systemd does not answer"), "systemd"),
    ],
)
def test_an_exchange_that_cannot_be_started(error: Exception, words: str) -> None:
    """Every waiter is told, of both accounts and of the role; later it is tried again."""

    async def play(stage: Stage) -> None:
        stage.launch_error = error
        results = await asyncio.gather(*(outcome(login(stage, name)) for name in ("nsrc", "admin", "other")))
        assert [True] * 3 == [words in result.message for result in results]
        stage.launch_error = None
        assert ["Credentials"] * 2 == [code(await outcome(login(stage, name))) for name in ("admin", "other")]
        stage.launch_error = error
        assert words in (await outcome(login(stage, "admin"))).message

    on_stage(config(nsrc=key(), admin=role("nsrc"), other=key("other", onepassword="work")), play)


@staged(ONE)
async def test_an_exchange_that_cannot_be_seen_off_has_answered(stage: Stage) -> None:
    """An error after the answer takes nothing back."""
    stage.leave_error = ChildProcessError(10, "No child processes")
    assert "Credentials" == code(await outcome(fetch(stage, "nsrc")))
    assert stage.keeper.status()[0].last_error is None


@staged(ONE)
async def test_a_fault_of_ours_leaves_nobody_waiting(stage: Stage) -> None:
    """An exception that nobody expected is logged as a fault, every waiter ends, and the next try is made."""
    stage.launch_error = ZeroDivisionError("a fault")
    first = await outcome(fetch(stage, "nsrc"))
    stage.launch_error, stage.script = None, lambda _: [ZeroDivisionError("another")]
    second = await outcome(login(stage, "nsrc"))
    stage.script = None
    third = await outcome(login(stage, "nsrc"))
    assert ["ExchangeFailed", "ExchangeFailed", "Credentials"] == [code(result) for result in (first, second, third)]
    assert 2 == len(stage.log.told("task.failed"))


def test_a_fault_of_ours_leaves_nobody_in_the_lane() -> None:
    """Nor whoever had yet to have their turn: of another account, and above it."""

    async def play(stage: Stage) -> None:
        stage.launch_error = ZeroDivisionError("a fault")
        results = await asyncio.gather(*(outcome(login(stage, name)) for name in ("nsrc", "other", "above")))
        assert ["ExchangeFailed"] * 3 == [code(result) for result in results]
        stage.launch_error = None
        assert "Credentials" == code(await outcome(login(stage, "above")))

    profiles = config(nsrc=key(), other=key("other", onepassword="work"), above=role("other"))
    on_stage(profiles, play)


@staged(ONE)
async def test_a_retryable_error_is_retried_by_the_clock(stage: Stage) -> None:
    """A throttled refresh is tried again by itself, in time."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    stage.outcomes["nsrc"] = AwsThrottled("slow down")
    await asyncio.sleep(DUE + 600)
    del stage.outcomes["nsrc"]
    await asyncio.sleep(600)
    work.cancel()
    assert "fresh" == stage.keeper.status()[0].phase
    assert len(stage.asked) <= 8


@staged(ONE)
async def test_what_is_set_up_wrong_waits_for_demand(stage: Stage) -> None:
    """A 400 is tried again on a client's demand after a minute, and never by the clock."""
    work = asyncio.ensure_future(stage.keeper.run())
    stage.outcomes["nsrc"] = ItemNotFound("no such item")
    await outcome(fetch(stage, "nsrc"))
    await asyncio.sleep(HOUR)
    idle = len(stage.asked)
    for _ in range(130):
        await outcome(fetch(stage, "nsrc"))
        await asyncio.sleep(1)
    work.cancel()
    assert (1, 3) == (idle, len(stage.asked))


# The end


@staged(WITH_ROLE)
async def test_a_daemon_that_stops_answers_who_waits(stage: Stage) -> None:
    """At the end every waiter is told, nothing is under way, and nothing is started any more."""
    work = asyncio.ensure_future(stage.keeper.run())
    waiting = [asyncio.ensure_future(outcome(fetch(stage, name))) for name in ("nsrc", "admin", "nsrc")]
    await asyncio.sleep(0.5)
    work.cancel()
    results = await asyncio.gather(*waiting)
    late = await outcome(fetch(stage, "nsrc"))
    assert ["stopping"] * 4 == [result.message.split()[-1] for result in (*results, late)]
    assert ([], 1) == (stage.busy, stage.launched)
    assert [] == stage.log.told("session.refresh_failed")


# Doubt


@staged(ONE)
async def test_who_aws_takes_us_for(stage: Stage) -> None:
    """A verify asks with the session in hand."""
    identity = await stage.keeper.identify("nsrc")
    assert (stage.identity, ["login: nsrc", "verify:  < nsrc"]) == (identity, in_words(stage.asked))


@pytest.mark.parametrize(
    ("answers", "words"),
    [([], "without an answer"), ([SessionEnded("over")], "over"), ([credentials(at(90_000))], "something else")],
)
def test_a_verify_that_brings_no_identity(answers: list[object], words: str) -> None:
    """What AWS refuses, and what is no answer, is an error."""

    async def play(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        stage.script = lambda _: [stage.result("nsrc", answer) for answer in answers]  # type: ignore[arg-type]
        assert words in (await outcome(stage.keeper.identify("nsrc"))).message

    on_stage(ONE, play)


@staged(ONE)
async def test_a_verify_that_cannot_start(stage: Stage) -> None:
    """No exchange, no identity, one error."""
    await fetch(stage, "nsrc")
    stage.launch_error = FileNotFoundError(2, "No such file")
    assert "No such file" in (await outcome(stage.keeper.identify("nsrc"))).message


@pytest.mark.parametrize("refusal", [SessionEnded("over"), AccessKeyUnknown("who?")])
def test_a_suspected_session_that_aws_refuses_is_renewed(refusal: MayflyError) -> None:
    """A client came back at once, AWS says no: the session is replaced without waiting for its end."""

    async def play(stage: Stage) -> None:
        old = await fetch(stage, "nsrc")
        await asyncio.sleep(HOUR)
        stage.identity = refusal
        stage.keeper.suspect("nsrc")
        await asyncio.sleep(5)
        assert old != stage.keeper.take("nsrc")
        assert ["login: nsrc", "verify:  < nsrc", "login: nsrc"] == in_words(stage.asked)

    on_stage(ONE, play)


@pytest.mark.parametrize("identity", [Identity(user_id="AIDA", account=ACCOUNT, arn="arn"), AwsThrottled("slow down")])
def test_a_suspicion_that_is_not_confirmed_changes_nothing(identity: Identity | MayflyError) -> None:
    """AWS says yes, or nothing: the session goes on, and is not asked about again for five minutes."""

    async def play(stage: Stage) -> None:
        old = await fetch(stage, "nsrc")
        stage.identity = identity
        for _ in range(50):
            stage.keeper.suspect("nsrc")
            await asyncio.sleep(5)
        assert (old, 2) == (stage.keeper.take("nsrc"), len(stage.asked))

    on_stage(ONE, play)


@pytest.mark.parametrize(("way", "gaps"), [(None, [0, 300, 600, 1200, 1800]), ("robot", [0] + [250] * 20)])
def test_a_loop_of_rejections_is_slow(way: str | None, gaps: list[float]) -> None:
    """An STS that rejects every session it has made, and a client that comes back for more, cause few prompts."""

    async def play(stage: Stage) -> None:
        work = asyncio.ensure_future(stage.keeper.run())
        stage.identity = SessionEnded("over")
        while stage.now() < at(4000):
            await outcome(fetch(stage, "nsrc"))
            stage.keeper.suspect("nsrc")
            await asyncio.sleep(5)
        work.cancel()
        seconds = [asked.loop_seconds for asked in stage.logins()]
        found = [later - earlier for earlier, later in itertools.pairwise(seconds)]
        assert len(found) >= 3
        assert [True] * len(found) == [gap <= later for gap, later in zip(gaps, found, strict=False)]
        assert found[0] < gaps[0] + 15
        verified = [asked.loop_seconds for asked in stage.asked if asked.kind == "verify"]
        assert all(later - earlier >= 299 for earlier, later in itertools.pairwise(verified))

    on_stage(config(nsrc=key(onepassword=way)), play)


@staged(config(nsrc=key(onepassword="robot")))
async def test_a_rejection_is_made_up_for_without_anybody(stage: Stage) -> None:
    """Rejected as soon as it came, and wanted by nobody since: seconds later the clock has another."""
    work = asyncio.ensure_future(stage.keeper.run())
    await asyncio.sleep(2)
    stage.identity = SessionEnded("over")
    stage.keeper.suspect("nsrc")
    await asyncio.sleep(10)
    work.cancel()
    assert (2, "fresh") == (len(stage.logins()), stage.keeper.status()[0].phase)


@staged(ONE)
async def test_what_was_rejected_behind_a_lock_is_asked_for_at_the_unlock(stage: Stage) -> None:
    """In use, and gone: it comes back with whoever comes back."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    await asyncio.sleep(HOUR)
    stage.identity, stage.scene = SessionEnded("over"), LOCKED
    stage.keeper.suspect("nsrc")
    await asyncio.sleep(60)
    locked = len(stage.logins())
    stage.scene = Scene(unlocked_at=stage.now())
    await asyncio.sleep(60)
    work.cancel()
    assert (1, 2, "fresh") == (locked, len(stage.logins()), stage.keeper.status()[0].phase)


@staged(ONE)
async def test_a_renewed_session_is_not_blamed_for_the_old_one(stage: Stage) -> None:
    """New credentials that came while AWS was asked about the old ones stay."""
    await fetch(stage, "nsrc")
    stage.identity = SessionEnded("over")
    stage.takes_seconds = 10
    stage.keeper.suspect("nsrc")
    await asyncio.sleep(0.5)
    stage.takes_seconds = 1
    new = await login(stage, "nsrc")
    await asyncio.sleep(20)
    assert new == stage.keeper.take("nsrc")


@staged(ONE)
async def test_a_suspect_that_is_forgotten_is_not_asked_about(stage: Stage) -> None:
    """Nothing in hand, nothing to verify."""
    await fetch(stage, "nsrc")
    stage.keeper.suspect("nsrc")
    stage.keeper.forget(["nsrc"])
    await asyncio.sleep(5)
    assert 1 == len(stage.asked)


@staged(ONE)
async def test_how_old_a_session_is(stage: Stage) -> None:
    """Counted from when it came; what never came has no age."""
    before = stage.keeper.age_seconds("nsrc")
    await fetch(stage, "nsrc")
    await asyncio.sleep(60)
    assert (0, 60) == (before, stage.keeper.age_seconds("nsrc"))


@staged(ONE)
async def test_what_ends_in_use_is_told(stage: Stage) -> None:
    """A profile in use that nobody renews is told of at 15 and 5 minutes before its end."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    stage.scene = AWAY
    await asyncio.sleep(9 * HOUR)
    work.cancel()
    assert [900, 300] == [pytest.approx(told["left_seconds"], abs=2) for told in stage.log.told("session.ending")]


@staged(ONE)
async def test_credentials_that_end_in_the_hand(stage: Stage) -> None:
    """What expired between its arrival and its handing out is not handed out."""

    def at_the_end(request: Request) -> list[Result]:
        asyncio.get_running_loop().call_soon(step)
        return [stage.result("nsrc", stage.fresh("nsrc"))]

    def step() -> None:
        stage.stepped_seconds += 9 * HOUR

    stage.script = at_the_end
    assert "ExchangeFailed" == code(await outcome(fetch(stage, "nsrc")))


@staged(ONE)
async def test_presence_is_seen_again_after_a_second(stage: Stage) -> None:
    """Who unlocks and asks is not told that the screen is locked."""
    stage.scene = LOCKED
    refused = await outcome(fetch(stage, "nsrc"))
    stage.scene = HERE
    await asyncio.sleep(1)
    assert ("ScreenLocked", "Credentials") == (code(refused), code(await outcome(fetch(stage, "nsrc"))))
