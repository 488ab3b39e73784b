"""The engine under any interleaving of clients, people, clocks and faults."""

import asyncio
import itertools

from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from mayfly.config.model import Config
from mayfly.shared.desk import Presence
from mayfly.shared.errors import ApprovalDismissed, ExchangeFailed, MayflyError
from mayfly.shared.wire import Request, Result
from support.engine import HERE, HOUR, LOCKED, config, key, role
from support.laws import A_STEP, A_WHILE, ERRORS, Sources, changed
from support.machine import KeeperMachine
from support.stage import Answer, Asked, Stage, TestLoop, code, fetch, login, outcome, staged


pytestmark = pytest.mark.laws

HOUSE = config(nsrc=key(), admin=role("nsrc"), deep=role("admin"), work=key("work", onepassword="work"), twin=key())
WITHOUT_WORK = config("d2", nsrc=key(), admin=role("nsrc"), deep=role("admin", "other"), twin=key())
TWIN_FIRST = config(
    "d3", twin=key(), deep=role("admin"), nsrc=key(), admin=role("nsrc"), work=key("work", onepassword="work")
)
# Each of the two sessions has the other's name.
EXCHANGED = config("d4", work=key(), admin=role("work"), nsrc=key("work", onepassword="work"))
RENAMED = config("d5", boss=key(), chief=role("boss"))
ROBOTS = config(nsrc=key(onepassword="robot"), admin=role("nsrc"), work=key("work"))
NAMES = st.sampled_from(["nsrc", "admin", "deep", "work", "twin"])


class SettableStage(Stage):
    """A stage whose wall clock may be set; the engine sees it through a `Clock`, as in the daemon."""

    def __init__(self, found: Any) -> None:
        super().__init__(found)
        self.sources = Sources(self.true_seconds)
        self.clock = self.sources.clock()

    def now(self) -> datetime:
        return self.clock()

    def result(self, name: str, outcome: Answer) -> Result:
        return Result(profile=name, outcome=outcome, aws_at=self.aws_now())


class AnyDay(KeeperMachine):
    """A running keeper, and everything that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.overrides: list[list[float]] = []

    @initialize(found=st.sampled_from([HOUSE, ROBOTS]))
    def begin(self, found: Any) -> None:
        self.start(lambda: SettableStage(found))
        self.seen = 0

    def wait_for(self, profile: str, work: Any) -> None:
        async def start() -> None:
            self.waiting.append(asyncio.create_task(outcome(work), name=profile))
            await asyncio.sleep(0)

        self.act(start())

    def knows(self, profile: str) -> bool:
        return profile in self.stage.keeper.config.profiles

    # Who asks

    @rule(profile=NAMES, how_many=st.integers(1, 5))
    def clients_fetch(self, profile: str, how_many: int) -> None:
        for _ in range(how_many if self.knows(profile) else 0):
            self.wait_for(profile, self.client(profile))

    async def client(self, profile: str) -> Any:
        got = await fetch(self.stage, profile)
        assert got.expiration > self.stage.aws_now(), "expired credentials were handed out"
        return got

    @rule(profile=NAMES, through_lock=st.booleans())
    def a_person_logs_in(self, profile: str, through_lock: bool) -> None:
        if self.knows(profile):
            self.wait_for(profile, self.through_lock(profile) if through_lock else login(self.stage, profile))

    async def through_lock(self, profile: str) -> Any:
        lasts = [self.stage.loop.time()]
        self.overrides.append(lasts)
        try:
            return await login(self.stage, profile, through_lock=True)
        finally:
            lasts.append(self.stage.loop.time())

    @rule(profile=NAMES)
    def somebody_forgets(self, profile: str) -> None:
        if self.knows(profile):
            self.act(self.forget(profile))

    async def forget(self, profile: str) -> None:
        self.stage.keeper.forget([profile])

    @rule(profile=NAMES)
    def somebody_doubts(self, profile: str) -> None:
        async def doubt() -> None:
            self.stage.keeper.suspect(profile)

        if self.knows(profile):
            self.act(doubt())

    @rule(number=st.integers(0, 9))
    def a_client_goes(self, number: int) -> None:
        if number < len(self.waiting):
            self.waiting[number].cancel()

    @rule(profile=NAMES, found=st.sampled_from([HOUSE, WITHOUT_WORK, TWIN_FIRST, EXCHANGED, RENAMED]))
    def somebody_reloads(self, profile: str, found: Config) -> None:
        """Who waits for a profile that is gone is told at once: at least the client that has just asked."""
        self.clients_fetch(profile, 1)

        async def adopt() -> None:
            await asyncio.sleep(0.5)
            self.stage.keeper.adopt(found)
            await asyncio.sleep(0.01)

        self.act(adopt())
        assert [] == [task for task in self.waiting if not task.done() and not self.knows(task.get_name())]

    # What the world does

    @rule(seconds=A_WHILE)
    def time_passes(self, seconds: float) -> None:
        self.act(asyncio.sleep(seconds))

    @rule(seconds=st.floats(0, 12 * HOUR))
    def the_laptop_sleeps(self, seconds: float) -> None:
        self.stage.stepped_seconds += seconds

    @rule(seconds=A_STEP)
    def somebody_sets_the_clock(self, seconds: float) -> None:
        self.stage.sources.wall_offset_seconds += seconds

    @rule(presence=st.sampled_from(Presence))
    def somebody_comes_or_goes(self, presence: Presence) -> None:
        scene = changed(self.stage.scene, presence, self.stage.now())
        # What was decided a moment ago is under way; from then on, what is seen now counts.
        self.act(asyncio.sleep(2))
        self.stage.scene = scene
        self.act(asyncio.sleep(2))

    @rule(profile=NAMES, error=st.one_of(st.none(), st.sampled_from(ERRORS)))
    def something_breaks_or_is_mended(self, profile: str, error: MayflyError | None) -> None:
        self.stage.outcomes.pop(profile, None)
        if error:
            self.stage.outcomes[profile] = error

    @rule(script=st.sampled_from(["", "nothing", "cut", "fault", "wrong", "twice", "expired", "sleepy"]))
    def the_exchange_is_strange(self, script: str) -> None:
        self.stage.script = getattr(self, f"strange_{script}") if script else None

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0]))
    def the_exchange_takes(self, seconds: float) -> None:
        self.stage.takes_seconds = seconds

    @rule(error=st.sampled_from([None, OSError(12, "Cannot allocate memory")]))
    def the_machine_is_full(self, error: OSError | None) -> None:
        self.stage.launch_error = error

    def strange_nothing(self, _request: Request) -> list[Any]:
        return []

    def strange_cut(self, request: Request) -> list[Any]:
        return [*self.known(request)[:1], ExchangeFailed("cut off")]

    def strange_fault(self, _request: Request) -> list[Any]:
        return [BrokenPipeError(32, "Broken pipe")]

    def strange_wrong(self, request: Request) -> list[Any]:
        return [self.stage.result("nobody", ERRORS[0]), *self.known(request)]

    def strange_twice(self, request: Request) -> list[Any]:
        return self.known(request) * 2

    def strange_expired(self, request: Request) -> list[Any]:
        self.stage.stepped_seconds += 9 * HOUR
        return self.known(request, late_seconds=9 * HOUR)

    def strange_sleepy(self, request: Request) -> list[Any]:
        """Credentials of eight hours that waited one hour to be read."""
        self.stage.stepped_seconds += HOUR
        return self.known(request, late_seconds=HOUR)

    def known(self, request: Request, late_seconds: float = 0) -> list[Any]:
        stage, late = self.stage, timedelta(seconds=late_seconds)
        results = []
        for name in request.subjects:
            if self.knows(name):
                fresh = stage.fresh(name)
                fresh = attrs.evolve(fresh, expiration=fresh.expiration - late)
                results.append(attrs.evolve(stage.result(name, fresh), aws_at=stage.aws_now() - late))
        return results

    # What is true at every moment

    @invariant()
    def one_question_at_a_time(self) -> None:
        if hasattr(self, "stage"):
            assert self.stage.most_logins_at_once <= 1

    @invariant()
    def nobody_is_asked_through_a_lock(self) -> None:
        """A prompt at a locked screen is for a person's `--through-lock`, while that very request lasts."""
        if not hasattr(self, "stage"):
            return
        for asked in self.stage.logins()[self.seen :]:
            if self.is_prompt(asked) and asked.scene is Presence.LOCKED:
                assert any(self.lasts(override, asked.loop_seconds) for override in self.overrides)
        self.seen = len(self.stage.logins())

    def lasts(self, override: list[float], seconds: float) -> bool:
        return override[0] <= seconds and (len(override) == 1 or seconds <= override[1])

    def is_prompt(self, asked: Asked) -> bool:
        config = self.stage.keeper.config
        known = [name for name in asked.request.profiles if name in config.profiles]
        return any(config.onepassword_of(name).asks_human for name in known)

    @invariant()
    def nothing_is_kept_beyond_its_end(self) -> None:
        """By AWS's own clock: a wrong clock of ours changes nothing."""
        if not hasattr(self, "stage"):
            return
        now, ledger = self.stage.now(), self.stage.keeper._ledger
        usable = [found for name in ledger.names if (found := ledger[name].usable(now))]
        assert all(found.expiration > self.stage.aws_now() for found in usable)


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = settings(max_examples=50, stateful_step_count=30)


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_set_by_an_hour_lengthens_no_life(seconds: float) -> None:
    """The clock is set while credentials are held: they still end when AWS ends them, and new ones come."""

    async def whole() -> None:
        stage = SettableStage(config(nsrc=key()))
        old = await fetch(stage, "nsrc")
        stage.sources.wall_offset_seconds = seconds
        stage.stepped_seconds = 8 * HOUR - 1
        assert stage.keeper.take("nsrc") is (old if seconds < 0 else None)
        stage.stepped_seconds += 2
        new = await fetch(stage, "nsrc")
        assert new.expiration > old.expiration
        await stage.keeper._lanes.close()

    with asyncio.Runner(loop_factory=TestLoop) as runner:
        runner.run(whole())


@staged(config(nsrc=key()))
async def test_twelve_pollers_through_a_dismissal(stage: Stage) -> None:
    """Twelve clients that poll twice a second for minutes: a prompt at the start, then one per back-off."""
    work = asyncio.ensure_future(stage.keeper.run())
    stage.outcomes["nsrc"] = ApprovalDismissed("somebody said no")

    async def poll() -> set[str]:
        codes = set()
        for _ in range(450):
            codes.add(code(await outcome(fetch(stage, "nsrc"))))
            await asyncio.sleep(0.5)
        return codes

    codes = set().union(*await asyncio.gather(*(poll() for _ in range(12))))
    work.cancel()
    prompts = [(asked.at - stage.logins()[0].at).total_seconds() for asked in stage.logins()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(prompts)]
    assert {"ApprovalDismissed"} == codes
    assert [30, 60, 120] == [round(gap, -1) for gap in gaps]
    assert 4 == len(prompts)


@staged(config(nsrc=key()))
async def test_twelve_pollers_at_a_locked_screen(stage: Stage) -> None:
    """No prompt at all while it is locked, and one when it is not."""
    stage.scene = LOCKED
    for _ in range(120):
        await asyncio.gather(*(outcome(fetch(stage, "nsrc")) for _ in range(12)))
        await asyncio.sleep(0.5)
    locked = len(stage.asked)
    stage.scene = HERE
    await asyncio.sleep(1)
    await asyncio.gather(*(fetch(stage, "nsrc") for _ in range(12)))
    assert (0, 1) == (locked, len(stage.asked))
