"""The files of grants on a keeper whose time the test moves: renewed, and taken away while the screen is locked."""

from __future__ import annotations

import asyncio

from collections.abc import Collection

import pytest

from mayfly.config.model import Config
from mayfly.daemon.events import Events
from mayfly.daemon.grants import Grant
from mayfly.daemon.grants.deliveries import Deliveries
from mayfly.daemon.grants.delivery import Paths
from mayfly.daemon.grants.sessions import Sessions
from mayfly.daemon.keeper import presence
from mayfly.daemon.tasks import Tasks
from mayfly.session.screen_lock import LOOK_SECONDS
from mayfly.shared.credentials import Credentials
from mayfly.shared.desk import Scene
from mayfly.shared.errors import GrantUndelivered
from mayfly.shared.grant import subject
from support.engine import AWAY, HERE, HOUR, LOCKED, at, config, key, role
from support.stage import Stage, fetch, on_stage, staged


ID = "1a2b3c4d"
# As soon as that a lock or an unlock must be seen, and new credentials written.
SOON = LOOK_SECONDS + 0.1


class Folder:
    """In the place of the disk: the file's content, None where there is no file."""

    def __init__(self) -> None:
        self.content: Credentials | None = None
        self.written: list[str] = []
        self.is_broken = False
        self.removals = 0

    async def open(self, _grant: Grant) -> Paths:
        return Paths()

    async def renewed(self, grant: Grant, credentials: Credentials) -> None:
        self.content = credentials
        self.written.append(grant.profile)

    async def take_away(self, _grant: Grant) -> bool:
        self.removals += 1
        if self.is_broken:
            raise GrantUndelivered("Input/output error")
        was_there, self.content = self.content is not None, None
        return was_there

    async def close(self, _grant: Grant) -> None:
        self.content = None

    async def sweep(self, known: Collection[str]) -> None:
        """Nothing was left."""


class House:
    """A keeper with a grant by file, and the daemon's looks."""

    def __init__(self, stage: Stage, profile: str, *, hours: float = 8) -> None:
        events = Events(stage.log)
        self.stage = stage
        self.folder = Folder()
        self.tasks = Tasks(events)
        self.sessions = Sessions(stage.keeper)
        self.deliveries = Deliveries(self.folder, self.sessions, self.tasks, events)
        own = subject(profile, ID) if profile == "admin" else profile
        self.grant = Grant(
            profile=profile,
            session=own,
            id=ID,
            label="claude",
            delivery="file",
            seconds=round(hours * HOUR),
            ends_at=at(hours * HOUR),
        )
        self.sessions.admit(self.grant)

    async def open(self) -> Credentials:
        """Make the grant; from now on the keeper looks, too."""
        first = await self.sessions.first(self.grant, 0)
        await self.deliveries.open(self.grant, first)
        self.stage.loop.create_task(self.stage.keeper.run(self.deliveries.renew_soon))
        return first

    async def see(self, scene: Scene) -> None:
        """The screen is locked, or unlocked, and this is noticed."""
        self.stage.scene = scene
        await asyncio.sleep(SOON)


def house(on_lock: str, **others: str) -> Config:
    return config(nsrc=key(on_lock=on_lock, **others), admin=role("nsrc", on_lock=on_lock))


@pytest.mark.parametrize("profile", ["nsrc", "admin"])
@pytest.mark.parametrize("on_lock", ["keep", "withhold", "forget"])
def test_a_file_follows_the_lock(on_lock: str, profile: str) -> None:
    """Behind the lock it is gone within seconds; after the unlock it is back, and nobody is asked for that.

    What was forgotten comes back after the next renewal, which somebody must ask for.
    """

    async def play(stage: Stage) -> None:
        told = House(stage, profile)
        first = await told.open()
        await asyncio.sleep(100)
        await told.see(LOCKED)
        behind = told.folder.content
        await asyncio.sleep(100)
        assert behind is told.folder.content
        await told.see(HERE)
        after = told.folder.content
        # The clock's look, twice a minute, notices that a forgotten session has gone.
        await asyncio.sleep(60)
        assert 1 == len(stage.logins())
        await fetch(stage, "nsrc")
        await asyncio.sleep(60)
        last = told.folder.content
        await told.tasks.end()

        assert (first if on_lock == "keep" else None) is behind
        assert (None if on_lock == "forget" else first) is after
        assert last
        assert (first is last) is (on_lock != "forget")
        withheld = stage.log.told("grant.withheld")
        assert ([] if on_lock == "keep" else [{"grant": ID, "label": "claude", "profile": profile}]) == withheld

    on_stage(house(on_lock), play)


@staged(house("withhold"))
async def test_a_file_that_a_lock_could_take_is_renewed(stage: Stage) -> None:
    """Hours before the login's end and without a client, by the clock alone; a lock of some minutes changes nothing."""
    told = House(stage, "admin", hours=4)
    seen = [await told.open()]
    for minute in range(230):
        stage.scene = LOCKED if minute % 50 < 5 else HERE
        await asyncio.sleep(60)
        found = told.folder.content
        assert (stage.scene is LOCKED) is (found is None)
        if found:
            assert found.expiration > stage.now()
            seen += [found] if found != seen[-1] else []
    await told.tasks.end()

    assert (1, True) == (len(stage.logins()), len(seen) > 8)


@pytest.mark.parametrize("scene", [HERE, AWAY])
def test_only_a_lock_takes_a_file_away(scene: Scene) -> None:
    """Nobody at the machine is no lock."""

    async def play(stage: Stage) -> None:
        told = House(stage, "nsrc")
        first = await told.open()
        await told.see(scene)
        await told.tasks.end()
        assert (first, 0) == (told.folder.content, told.folder.removals)

    on_stage(house("withhold"), play)


@staged(house("withhold"))
async def test_what_an_earlier_daemon_has_left_behind_a_lock_goes(stage: Stage) -> None:
    """The first look of the next one takes it away."""
    told = House(stage, "admin")
    told.folder.content = await told.sessions.first(told.grant, 0)
    await asyncio.sleep(2)
    stage.scene = LOCKED
    await told.deliveries.open_again([told.grant], {ID}, lambda _grant: None)
    told.deliveries.renew_soon()
    await asyncio.sleep(1)
    behind = told.folder.content
    await told.see(HERE)
    await told.tasks.end()
    assert (True, True) == (behind is None, told.folder.content is not None)


@staged(house("withhold"))
async def test_a_file_that_cannot_be_taken_away_is_told_once_and_tried_again(stage: Stage) -> None:
    """As one that cannot be written."""
    told = House(stage, "nsrc")
    await told.open()
    told.folder.is_broken = True
    await told.see(LOCKED)
    await asyncio.sleep(20)
    assert told.folder.content
    told.folder.is_broken = False
    await asyncio.sleep(SOON)
    assert told.folder.content is None
    await told.tasks.end()
    assert [{"grant": ID, "label": "claude", "reason": "Input/output error"}] == stage.log.told("grant.unwritten")


@staged(house("keep"))
async def test_a_lock_that_the_config_makes_count_later_counts(stage: Stage) -> None:
    """A reload with another `on_lock` goes on with the same grant."""
    told = House(stage, "nsrc")
    first = await told.open()
    await told.see(LOCKED)
    assert first is told.folder.content
    stage.keeper.adopt(house("withhold"))
    await asyncio.sleep(SOON)
    behind = told.folder.content
    stage.keeper.adopt(house("keep"))
    await asyncio.sleep(SOON)
    await told.tasks.end()
    assert (None, first) == (behind, told.folder.content)


@staged(config(nsrc=key(on_lock="withhold"), admin=role("nsrc")))
async def test_files_that_heed_no_lock_do_not_wait_for_the_desk(stage: Stage) -> None:
    """One that hangs holds up those alone that a lock concerns."""
    shut, free = House(stage, "nsrc"), House(stage, "admin")
    for each in (shut, free):
        await each.sessions.first(each.grant, 0)
        # As after a restart: what is in the file is not known.
        await shut.deliveries.open(each.grant)
    await asyncio.sleep(2)
    stage.scene_takes_seconds = 100 * HOUR
    shut.deliveries.renew_soon()
    await asyncio.sleep(1)
    meanwhile = [*shut.folder.written]
    await asyncio.sleep(presence.LOOK_SECONDS)
    await shut.tasks.end()
    assert (["admin"], ["admin", "nsrc"]) == (meanwhile, shut.folder.written)
