"""What is waited for: by each profile's status, and by events."""

from __future__ import annotations

import asyncio

from collections.abc import AsyncIterator
from typing import Any

from mayfly.config.model import Config
from mayfly.daemon.events import Events
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.keeper.wanted import Kind, Progress, WantedSessions
from mayfly.daemon.launcher import PromptCheck
from mayfly.daemon.status import as_json
from mayfly.shared.stages import Stage as Told
from mayfly.shared.wire import Request, Result
from support.engine import HOUR, NOON, config, key, role
from support.stage import Desk, Stage, TestLoop, fetch, login, outcome


# What an exchange tells, and how long each takes.
TELLS = (("connect", 1, None), ("code", 14, 14), ("approve", 20, None), ("aws", 2, None))


class TellingStage(Stage):
    """A stage whose exchanges tell what they wait for."""

    async def ask(self, request: Request, check_prompt: PromptCheck | None = None) -> AsyncIterator[Result | Told]:
        for name, seconds, left in TELLS if request.kind == "login" else TELLS[-1:]:
            if request.with_stages:
                yield Told(name=name, profiles=request.profiles, left_seconds=left)
            await asyncio.sleep(seconds)
        self.takes_seconds = 0
        async for answer in super().ask(request, check_prompt):
            yield answer


def stages(stage: Stage) -> dict[str, tuple[str, int, int | None]]:
    """What each profile waits for: name, since when, how long still."""
    rows = {row.profile: row.stage for row in stage.keeper.status()}
    return {name: (at.name, at.since_seconds, at.left_seconds) for name, at in rows.items() if at}


def told(stage: Stage) -> list[tuple[str, Any, Any]]:
    facts = stage.log.told("exchange.stage_reached")
    return [(each["stage"], each["profiles"], each["left_seconds"]) for each in facts]


def play(found: Config, scene: Any) -> None:
    async def whole() -> None:
        stage = TellingStage(found)
        stage.keeper = Keeper(found, launch=stage.launch, desk=Desk(stage), clock=stage.now, events=Events(stage.log))
        try:
            await scene(stage)
        finally:
            await stage.keeper._lanes.close()

    with asyncio.Runner(loop_factory=TestLoop) as runner:
        runner.run(whole())


def test_each_stage_is_in_the_status_and_an_event() -> None:
    """For all profiles that wait for it: those of the session, and roles above it; nobody else, and not afterwards."""

    async def scene(stage: Stage) -> None:
        assert {} == stages(stage)
        client = asyncio.ensure_future(fetch(stage, "twin"))
        await asyncio.sleep(0.5)
        person = asyncio.ensure_future(login(stage, "admin"))
        await asyncio.sleep(6)
        both = ("nsrc", "twin", "admin")
        assert dict.fromkeys(both, ("code", 9)) == {name: (at[0], at[2]) for name, at in stages(stage).items()}
        await asyncio.sleep(15)
        assert dict.fromkeys(both, "approve") == {name: at[0] for name, at in stages(stage).items()}
        await asyncio.gather(client, person)
        assert {} == stages(stage)
        first = ["connect", "code", "approve", "aws"]
        assert [*first, "aws"] == [name for name, _, _ in told(stage)]
        assert ("code", list(both), 14) in told(stage)
        assert ("aws", ["admin"], None) == told(stage)[-1]

    play(config(nsrc=key(), twin=key(), admin=role("nsrc"), other=key("other", onepassword="work")), scene)


def test_a_login_behind_another_waits_its_turn() -> None:
    """1Password is asked one question at a time; the first that has no exchange yet is starting."""

    async def scene(stage: Stage) -> None:
        first = asyncio.ensure_future(fetch(stage, "nsrc"))
        await asyncio.sleep(0.01)
        assert {"nsrc": ("start", 0, None)} == stages(stage)
        await asyncio.sleep(5)
        second = asyncio.ensure_future(fetch(stage, "other"))
        await asyncio.sleep(0.5)
        assert ("turn", 0, None) == stages(stage)["other"]
        await first
        await asyncio.sleep(0.5)
        assert "connect" == stages(stage)["other"][0]
        await second

    play(config(nsrc=key(), other=key("other", onepassword="work")), scene)


def test_a_login_that_waits_for_the_next_code_says_so() -> None:
    """A role with a code of its own gives way to the session of the same device, until the next step."""

    async def scene(stage: Stage) -> None:
        work = [asyncio.ensure_future(outcome(login(stage, name))) for name in ("nsrc", "each")]
        await asyncio.sleep(2)
        name, _, left = stages(stage)["each"]
        assert ("code", True) == (name, left is not None and 0 < left <= 30)
        assert ("code", ["each"]) in [(name, profiles) for name, profiles, _ in told(stage)]
        await asyncio.gather(*work)

    play(config(nsrc=key(), each=role("nsrc", mfa="each")), scene)


def test_a_reload_takes_the_stages_along() -> None:
    """Under another name the profile still waits for what it waited for."""

    async def scene(stage: Stage) -> None:
        client = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
        await asyncio.sleep(20)
        stage.keeper.adopt(config("d2", boss=key()))
        assert {"boss"} == stages(stage).keys()
        assert "approve" == stages(stage)["boss"][0]
        await client
        await asyncio.sleep(20)
        assert ("aws", ["boss"], None) == told(stage)[-1]

    play(config(nsrc=key()), scene)


def test_the_status_is_json() -> None:
    """A stage is an object, and null where nothing is waited for."""

    async def scene(stage: Stage) -> None:
        client = asyncio.ensure_future(fetch(stage, "nsrc"))
        await asyncio.sleep(3)
        rows = [as_json(row)["stage"] for row in stage.keeper.status()]
        assert [{"name": "code", "since_seconds": 2, "left_seconds": 12}, None] == rows
        await client
        stage.stepped_seconds += 9 * HOUR

    play(config(nsrc=key(), other=key("other", onepassword="work")), scene)


async def test_a_session_that_goes_back_into_the_queue_waits_for_nothing_yet() -> None:
    """What its exchange has told is over, and what the next one tells counts."""
    wanted = WantedSessions(lambda: None)
    wanted.add("nsrc", Kind.LOGIN)
    for put_back in (wanted.queue, lambda name: wanted.enter_exchange(name, Kind.LOGIN)):
        wanted.enter_exchange("nsrc", Kind.LOGIN)
        wanted.note_progress("nsrc", Progress(stage="aws", since_at=NOON))
        assert "aws" == wanted.progress_of("nsrc").stage
        put_back("nsrc")
        assert wanted.progress_of("nsrc") is None
    wanted.note_progress("gone", Progress(stage="aws", since_at=NOON))
    assert wanted.progress_of("gone") is None
