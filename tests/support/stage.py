"""A keeper on a stage: a time that only the test moves, and parties that do as they are told.

The engine runs on a real asyncio loop, whose clock is the test's: waiting costs nothing, and a loop in which nobody
will ever wake anybody says so instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from mayfly.config.model import Config, KeyProfile
from mayfly.daemon.events import Events
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.launcher import Exchange, PromptCheck
from mayfly.daemon.log_events import EVENTS
from mayfly.session.trigger import Trigger
from mayfly.shared import grant
from mayfly.shared.credentials import Credentials
from mayfly.shared.desk import Caller, Presence, Scene
from mayfly.shared.errors import MayflyError
from mayfly.shared.grant import GrantOrder
from mayfly.shared.wire import Identity, Request, Result
from support.engine import ACCOUNT, HERE, HOUR, at, credentials


class SkippingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type] # the platform's own, by assignment
    """Never waits: moves the clock on to when the wait would have been over."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everybody waits, and nobody will ever wake them")
        if not ready and timeout:
            self.seconds += timeout
        return ready


class TestLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is as long as its waits, and takes none."""

    __test__ = False

    def __init__(self) -> None:
        self._skipping = SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.seconds


class Asked(NamedTuple):
    """A request that an exchange was asked, when (by the wall, and by the loop), and who was there then."""

    at: datetime
    request: Request
    scene: Presence
    loop_seconds: float

    @property
    def kind(self) -> str:
        return self.request.kind

    @property
    def profiles(self) -> set[str]:
        return set(self.request.profiles)


Answer = Credentials | Identity | MayflyError
Answers = Callable[[Request], Sequence[Result | MayflyError | Exception]]


class Stage:
    """A keeper, and around it a clock, a desk and exchanges that do what the test says.

    `outcomes` has what comes for a profile instead of fresh credentials; `script` replaces the whole answer.
    """

    def __init__(self, config: Config) -> None:
        self.loop = asyncio.get_running_loop()
        self.stepped_seconds = 0.0
        self.scene = HERE
        self.scene_takes_seconds = 0.0
        self.looks = 0
        self.asked: list[Asked] = []
        self._configs = {config.digest: config}
        self.orders: dict[str, GrantOrder] = {}
        self.busy: list[str] = []
        self.most_logins_at_once = 0
        self.launched = 0
        self.waits_for_leave = False
        self.leaves = 0
        self.takes_seconds = 1.0
        self.lives_seconds = {True: 8 * HOUR, False: HOUR}
        self.outcomes: dict[str, MayflyError | Credentials] = {}
        self.identity: Identity | MayflyError = Identity(user_id="AIDA", account=ACCOUNT, arn="arn")
        self.script: Answers | None = None
        self.skew_seconds: float | None = None
        self.launch_error: Exception | None = None
        self.leave_error: Exception | None = None
        self.log = Log()
        self.running: asyncio.Task[None] | None = None
        self.keeper = Keeper(config, launch=self.launch, desk=Desk(self), clock=self.now, events=Events(self.log))

    def now(self) -> datetime:
        return at(self.true_seconds())

    def true_seconds(self) -> float:
        """How much time has gone by since noon, a laptop's sleep included."""
        return self.loop.time() + self.stepped_seconds

    def aws_now(self) -> datetime:
        """The time by AWS's clock, which is right."""
        return at(self.true_seconds())

    def run(self) -> None:
        """From now on the keeper looks after the sessions, until the loop ends."""
        self.running = self.running or self.loop.create_task(self.keeper.run())

    # The desk

    async def scene_now(self) -> Scene:
        self.looks += 1
        await asyncio.sleep(self.scene_takes_seconds)
        return self.scene

    async def tell(self, title: str, text: str) -> None:
        """Nobody listens."""

    async def caller(self, inode: int) -> Caller | None:
        """Nobody is found."""

    async def process(self, pid: int) -> Caller | None:
        """Nobody is known."""

    # The exchanges

    @asynccontextmanager
    async def launch(self) -> AsyncIterator[Exchange]:
        self.launched += 1
        if self.launch_error:
            raise self.launch_error
        yield self
        if self.leave_error:
            raise self.leave_error

    async def ask(self, request: Request, check_prompt: PromptCheck | None = None) -> AsyncIterator[Result]:
        self.asked.append(Asked(self.now(), request, self.scene.presence, self.loop.time()))
        self._configs[request.digest] = self.keeper.config
        self.busy.append(request.kind)
        self.most_logins_at_once = max(self.most_logins_at_once, self.busy.count("login"))
        try:
            await asyncio.sleep(self.takes_seconds)
            if check_prompt and self.waits_for_leave and request.kind == "login":
                await check_prompt()
                self.leaves += 1
            for answer in (self.script or self._answers)(request):
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            self.busy.remove(request.kind)

    def _answers(self, request: Request) -> list[Result]:
        return [self.result(name, self._outcome(name, request)) for name in request.subjects]

    def result(self, name: str, outcome: Answer) -> Result:
        skew = self.skew_seconds
        return Result(
            profile=name, outcome=outcome, aws_at=None if skew is None else self.now() + timedelta(seconds=skew)
        )

    def _outcome(self, name: str, request: Request) -> Answer:
        if request.kind == "verify":
            return self.identity
        self.orders |= request.grants
        # An exchange answers by the config that it was asked by, also after a reload.
        chain = self._configs[request.digest].chain(grant.profile_of(name))
        below = [link for link in (*chain[:-1], name) if link in request.profiles]
        return next((self.outcomes[link] for link in below if link in self.outcomes), None) or self.fresh(name)

    def fresh(self, name: str) -> Credentials:
        """New credentials for `name`, by AWS's clock."""
        is_base = any(isinstance(known.profiles.get(name), KeyProfile) for known in self._configs.values())
        order = self.orders.get(name)
        seconds = order.seconds if order else self.lives_seconds[is_base]
        life = timedelta(seconds=seconds + (self.skew_seconds or 0))
        return credentials((self.aws_now() + life).replace(microsecond=0), key=str(len(self.asked)))

    # What a test looks at

    def logins(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.kind == "login"]

    def assumes(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.kind == "assume"]


# Keeper wants an object with `scene()`, and a test wants to say `stage.scene = LOCKED`.
class Desk:
    """The stage, as the keeper sees it."""

    def __init__(self, stage: Stage) -> None:
        self.scene = stage.scene_now
        self.tell = stage.tell
        self.caller = stage.caller
        self.process = stage.process


class Log:
    """Keeps what is logged; an event or a field that the table does not list is a fault."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **facts: Any) -> None:
        self._keep("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._keep("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._keep("error", event, facts)

    def _keep(self, level: str, event: str, facts: dict[str, Any]) -> None:
        unlisted = facts.keys() - EVENTS[event].keys() - {"exc_info"}
        assert not unlisted, f"{event}: not in mayfly.daemon.log_events: {unlisted}"
        self.lines.append((level, event, facts))

    def told(self, event: str) -> list[dict[str, Any]]:
        return [facts for _, name, facts in self.lines if name == event]


def on_stage(config: Config, play: Callable[[Stage], Coroutine[Any, Any, None]]) -> Stage:
    """Play on a loop of its own, with the keeper not running by itself; the stage, for looking at afterwards."""

    async def whole() -> Stage:
        stage = Stage(config)
        try:
            await play(stage)
        finally:
            await stage.keeper._lanes.close()
        return stage

    with asyncio.Runner(loop_factory=TestLoop) as runner:
        return runner.run(whole())


Play = Callable[[Stage], Coroutine[Any, Any, None]]


def staged(found: Config) -> Callable[[Play], Callable[[], None]]:
    """A test that gets a stage of its own."""

    def make(play: Play) -> Callable[[], None]:
        def test() -> None:
            on_stage(found, play)

        test.__name__, test.__doc__, test.__module__ = play.__name__, play.__doc__, play.__module__
        return test

    return make


async def fetch(stage: Stage, profile: str) -> Credentials:
    """What the endpoint does for a client."""
    return stage.keeper.take(profile) or await stage.keeper.obtain(profile, Trigger.CLIENT)


async def login(stage: Stage, profile: str, *, through_lock: bool = False) -> Credentials:
    """What the control socket does for `mayfly login`."""
    return await stage.keeper.obtain(profile, Trigger.PERSON, through_lock=through_lock)


async def outcome(work: Coroutine[Any, Any, Any]) -> Any:
    """What came of it: a value, or the MayflyError that was raised."""
    try:
        return await work
    except MayflyError as error:
        return error


def code(result: Any) -> str:
    """How an outcome ended, as a word."""
    return result.code if isinstance(result, MayflyError) else type(result).__name__


def in_words(asked: Sequence[Asked]) -> list[str]:
    """Requests as `kind: profiles < sessions`."""
    words = []
    for each in asked:
        below = f" < {' '.join(each.request.sessions)}" if each.request.sessions else ""
        words.append(f"{each.kind}: {' '.join(each.request.profiles)}{below}")
    return words


def digests(stage: Stage) -> list[str]:
    """The config's digest in each request."""
    return [asked.request.digest for asked in stage.asked]
