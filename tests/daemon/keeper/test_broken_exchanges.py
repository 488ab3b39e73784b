"""Exchanges that break, lie or cannot be started."""

import asyncio

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from mayfly.shared.errors import (
    AwsThrottled,
    ExchangeFailed,
    ItemNotFound,
)
from mayfly.shared.wire import Identity
from support.engine import (
    ACCOUNT,
    DUE,
    HOUR,
    NO,
    ONE,
    WITH_ROLE,
    config,
    credentials,
    key,
    role,
)
from support.stage import Stage, code, fetch, login, on_stage, outcome, staged


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
    ("nameless", lambda _: [OSError()], "the system tells no reason"),
]


@pytest.mark.parametrize(("answer", "words"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
@pytest.mark.parametrize("has_old", [True, False])
def test_a_malformed_result_takes_nothing_away(
    answer: Callable[[Stage], Sequence[object]], words: str, has_old: bool
) -> None:
    """A result that was not asked for is refused with an error, and live credentials stay in place."""

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
    """The first line for a profile counts; a second one changes nothing."""
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
        (OSError(), "the system tells no reason"),
        (ExchangeFailed("systemd does not answer"), "systemd"),
    ],
)
def test_an_exchange_that_cannot_be_started(error: Exception, words: str) -> None:
    """All clients get the error, of both accounts and of the role; the next attempt is made later."""

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
    """An error after the answer does not undo the answer."""
    stage.leave_error = ChildProcessError(10, "No child processes")
    assert "Credentials" == code(await outcome(fetch(stage, "nsrc")))
    assert stage.keeper.status()[0].last_error is None


@staged(ONE)
async def test_a_fault_of_ours_leaves_nobody_waiting(stage: Stage) -> None:
    """An unexpected exception is logged as a fault, every client is answered, and the next attempt is made."""
    stage.launch_error = ZeroDivisionError("a fault")
    first = await outcome(fetch(stage, "nsrc"))
    stage.launch_error, stage.script = None, lambda _: [ZeroDivisionError("another")]
    second = await outcome(login(stage, "nsrc"))
    stage.script = None
    third = await outcome(login(stage, "nsrc"))
    assert ["ExchangeFailed", "ExchangeFailed", "Credentials"] == [code(result) for result in (first, second, third)]
    assert 2 == len(stage.log.told("task.failed"))


def test_a_fault_of_ours_leaves_nobody_in_the_lane() -> None:
    """Clients of queued logins and roles are answered, too."""

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
    """The clock retries a throttled refresh in time."""
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
    """A client may retry after a 400 once a minute has passed; the clock never does."""
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
