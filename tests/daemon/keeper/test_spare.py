"""An exchange that is opened ahead: it is used, or ends, and its faults are told to the one who uses it."""

from __future__ import annotations

import asyncio

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from mayfly.daemon.events import Events
from mayfly.daemon.keeper import spare
from mayfly.daemon.keeper.spare import Spare
from mayfly.daemon.launcher import Exchange
from mayfly.daemon.tasks import Tasks
from mayfly.shared.errors import ExchangeFailed
from support.desks import put_program
from support.exchange import alive_of, until
from support.world import World


class Launches:
    """A launcher that counts what is open; with `error` it opens nothing."""

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.error: Exception | None = None

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Exchange]:
        if self.error:
            raise self.error
        self.opened += 1
        try:
            yield cast(Exchange, self.opened)
        finally:
            self.closed += 1


@pytest.fixture(name="launches")
def _launches() -> Launches:
    return Launches()


@pytest.fixture(name="ahead")
async def _ahead(launches: Launches) -> AsyncIterator[Spare]:
    tasks = Tasks(Events(cast(Any, None)))
    yield Spare(launches, tasks)
    await tasks.end()
    assert launches.opened == launches.closed


async def test_the_exchange_that_is_open_is_used_once(launches: Launches, ahead: Spare) -> None:
    """The next one is a new one; and opening ahead twice opens one."""
    ahead.open()
    ahead.open()
    await asyncio.sleep(0)
    assert 1 == launches.opened

    async with ahead.launch() as first, ahead.launch() as second:
        assert (1, 2) == (first, second)
    assert (2, 2) == (launches.opened, launches.closed)


async def test_an_exchange_that_is_not_used_ends(
    launches: Launches, ahead: Spare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the screen turns out to be locked; a later login gets a new one."""
    monkeypatch.setattr(spare, "UNUSED_SECONDS", 0.01)
    ahead.open()
    await until(lambda: launches.closed)

    async with ahead.launch() as later:
        assert 2 == later
        await asyncio.sleep(0.03)
        assert 1 == launches.closed
    ahead.open()
    async with ahead.launch() as used:
        await asyncio.sleep(0.03)
        assert (3, 2) == (used, launches.closed)


@pytest.mark.parametrize("error", [OSError("no descriptor"), ExchangeFailed("nobody listens")])
async def test_a_launch_that_fails_is_told_to_the_one_who_launches(
    launches: Launches, ahead: Spare, error: Exception
) -> None:
    """Nobody else hears of it, and the launch after it is a new try."""
    launches.error = error
    ahead.open()
    with pytest.raises(type(error)):
        async with ahead.launch():
            pass

    launches.error = None
    async with ahead.launch() as later:
        assert 1 == later


async def test_an_engine_that_ends_ends_what_is_open(launches: Launches) -> None:
    """Used or not, and also while it opens."""
    tasks = Tasks(Events(cast(Any, None)))
    ahead = Spare(launches, tasks)

    async def use() -> None:
        async with ahead.launch():
            await asyncio.Event().wait()

    ahead.open()
    user = asyncio.create_task(use())
    await asyncio.sleep(0)
    ahead.open()
    await tasks.end()
    user.cancel()
    await asyncio.gather(user, return_exceptions=True)
    assert launches.opened == launches.closed


# Waits for an exchange's process for 2 s, and tells of a screen that is locked or not.
LOOKS = """
[ "$1" = show-user ] && echo 7 && exit
tries=0
until grep -sqzx {config} /proc/[0-9]*/cmdline && touch {seen} || [ $((tries += 1)) -gt 40 ]; do sleep 0.05; done
printf 'LockedHint={locked}\\nIdleHint=no\\n'
"""


@pytest.mark.parametrize(("locked", "status", "calls"), [("no", 200, 1), ("yes", 403, 0)])
async def test_an_exchange_starts_while_the_desk_looks(world: World, locked: str, status: int, calls: int) -> None:
    """A person waits for it otherwise. Where the screen is locked it ends, and `op` was not run."""
    seen = world.folder / "seen"
    put_program(world.op.parent, "loginctl", LOOKS.format(config=world.config, seen=seen, locked=locked))
    async with world.serve(from_scratch=True) as daemon:
        reply = await world.get()

        assert (status, True) == (reply.status, seen.exists())
        await until(lambda: not [line for line in alive_of(world) if "mayfly.exchange" in line])
        assert calls == len(daemon.events("exchange.started"))
    assert calls == world.vault.state()["calls"]
