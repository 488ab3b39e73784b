"""Asking AWS whether it still accepts a session; and what is told of a session's end."""

import asyncio
import itertools

import pytest

from mayfly.shared.desk import Scene
from mayfly.shared.errors import (
    AccessKeyUnknown,
    AwsThrottled,
    MayflyError,
    SessionEnded,
)
from mayfly.shared.wire import Identity, Request, Result
from support.engine import (
    ACCOUNT,
    AWAY,
    HERE,
    HOUR,
    LOCKED,
    ONE,
    at,
    config,
    credentials,
    key,
)
from support.stage import Stage, code, fetch, in_words, login, on_stage, outcome, staged


@staged(ONE)
async def test_who_aws_takes_us_for(stage: Stage) -> None:
    """`identify` asks AWS with the live session."""
    identity = await stage.keeper.identify("nsrc")
    assert (stage.identity, ["login: nsrc", "verify:  < nsrc"]) == (identity, in_words(stage.asked))


@pytest.mark.parametrize(
    ("answers", "words"),
    [([], "without an answer"), ([SessionEnded("over")], "over"), ([credentials(at(90_000))], "something else")],
)
def test_a_verify_that_brings_no_identity(answers: list[object], words: str) -> None:
    """A refusal of AWS is an error, and so is an answer without an identity."""

    async def play(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        stage.script = lambda _: [stage.result("nsrc", answer) for answer in answers]  # type: ignore[arg-type]
        assert words in (await outcome(stage.keeper.identify("nsrc"))).message

    on_stage(ONE, play)


@staged(ONE)
async def test_a_verify_that_cannot_start(stage: Stage) -> None:
    """If no exchange can be started, `identify` raises an error."""
    await fetch(stage, "nsrc")
    stage.launch_error = FileNotFoundError(2, "No such file")
    assert "No such file" in (await outcome(stage.keeper.identify("nsrc"))).message


@pytest.mark.parametrize("refusal", [SessionEnded("over"), AccessKeyUnknown("who?")])
def test_a_suspected_session_that_aws_refuses_is_renewed(refusal: MayflyError) -> None:
    """A client returned at once, and AWS rejects the session: it is replaced before its end."""

    async def play(stage: Stage) -> None:
        old = await fetch(stage, "nsrc")
        await asyncio.sleep(HOUR)
        stage.identity = refusal
        stage.keeper.suspect("nsrc")
        await asyncio.sleep(5)
        assert old != stage.keeper.take("nsrc")
        assert ["login: nsrc", "verify:  < nsrc", "login: nsrc"] == in_words(stage.asked)

    on_stage(ONE, play)


@pytest.mark.parametrize("refusal", [None, SessionEnded("over")])
def test_a_crowd_that_asks_who_it_is_costs_one_exchange(refusal: MayflyError | None) -> None:
    """Clients that come and go while AWS is asked share its answer; who comes later has AWS asked again."""

    async def crowd(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        stage.identity = refusal or stage.identity
        stage.takes_seconds = 1
        asking = [asyncio.ensure_future(outcome(stage.keeper.identify("nsrc"))) for _ in range(20)]
        await asyncio.sleep(0.5)
        for gone in asking[:10]:
            gone.cancel()
        answers = await asyncio.gather(*asking[10:])
        assert [stage.identity] * 10 == answers
        assert ["login: nsrc", "verify:  < nsrc"] == in_words(stage.asked)
        await outcome(stage.keeper.identify("nsrc"))
        assert 3 == len(stage.asked)

    on_stage(ONE, crowd)


@pytest.mark.parametrize("identity", [Identity(user_id="AIDA", account=ACCOUNT, arn="arn"), AwsThrottled("slow down")])
def test_a_suspicion_that_is_not_confirmed_changes_nothing(identity: Identity | MayflyError) -> None:
    """AWS accepts the session, or gives no answer: the session goes on, and AWS is not asked again for five minutes."""

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
    """AWS rejects every session, and a client keeps asking: few prompts are raised."""

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
    """A machine's session was rejected at once: seconds later the clock has another, without a client."""
    work = asyncio.ensure_future(stage.keeper.run())
    await asyncio.sleep(2)
    stage.identity = SessionEnded("over")
    stage.keeper.suspect("nsrc")
    await asyncio.sleep(10)
    work.cancel()
    assert (2, "fresh") == (len(stage.logins()), stage.keeper.status()[0].phase)


@staged(ONE)
async def test_what_was_rejected_behind_a_lock_is_asked_for_at_the_unlock(stage: Stage) -> None:
    """A session in use was rejected behind a lock: the clock prompts at the unlock."""
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
    """Credentials that came while AWS was asked about the old ones are kept."""
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
async def test_a_session_that_is_renamed_meanwhile_is_rejected_all_the_same(stage: Stage) -> None:
    """AWS's answer counts for the session that was asked about, also after a reload has renamed it."""
    old = await fetch(stage, "nsrc")
    await asyncio.sleep(HOUR)
    stage.identity = SessionEnded("over")
    stage.keeper.suspect("nsrc")
    await asyncio.sleep(0.5)
    stage.keeper.adopt(config("d2", twin=key(name="T"), nsrc=key()))
    await asyncio.sleep(5)
    assert old != stage.keeper.take("nsrc")
    assert [{"profile": "twin", "code": "SessionEnded"}] == stage.log.told("session.rejected")


@staged(ONE)
async def test_a_suspect_that_is_forgotten_is_not_asked_about(stage: Stage) -> None:
    """Without credentials nothing is verified."""
    await fetch(stage, "nsrc")
    stage.keeper.suspect("nsrc")
    stage.keeper.forget(["nsrc"])
    await asyncio.sleep(5)
    assert 1 == len(stage.asked)


@staged(ONE)
async def test_how_old_a_session_is(stage: Stage) -> None:
    """The age counts from the issue; without credentials it is 0."""
    before = stage.keeper.age_seconds("nsrc")
    await fetch(stage, "nsrc")
    await asyncio.sleep(60)
    assert (0, 60) == (before, stage.keeper.age_seconds("nsrc"))


@staged(ONE)
async def test_what_ends_in_use_is_told(stage: Stage) -> None:
    """Credentials in use that nobody renews are announced 15 and 5 minutes before their end."""
    work = asyncio.ensure_future(stage.keeper.run())
    await fetch(stage, "nsrc")
    stage.scene = AWAY
    await asyncio.sleep(9 * HOUR)
    work.cancel()
    assert [900, 300] == [pytest.approx(told["left_seconds"], abs=2) for told in stage.log.told("session.ending")]


@staged(ONE)
async def test_credentials_that_end_in_the_hand(stage: Stage) -> None:
    """Credentials that expired between arrival and hand-out are not handed out."""

    def at_the_end(request: Request) -> list[Result]:
        asyncio.get_running_loop().call_soon(step)
        return [stage.result("nsrc", stage.fresh("nsrc"))]

    def step() -> None:
        stage.stepped_seconds += 9 * HOUR

    stage.script = at_the_end
    assert "ExchangeFailed" == code(await outcome(fetch(stage, "nsrc")))


@staged(ONE)
async def test_presence_is_seen_again_after_a_second(stage: Stage) -> None:
    """A client that asks after the unlock is served."""
    stage.scene = LOCKED
    refused = await outcome(fetch(stage, "nsrc"))
    stage.scene = HERE
    await asyncio.sleep(1)
    assert ("ScreenLocked", "Credentials") == (code(refused), code(await outcome(fetch(stage, "nsrc"))))
