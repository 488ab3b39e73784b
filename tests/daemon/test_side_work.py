"""Work beside the keeper's own: a fault in it is logged, and the daemon goes on."""

from __future__ import annotations

import asyncio
import sys

import pytest

from support.world import PATIENCE_SECONDS, World


_PROGRAM = """
import sys
from mayfly.daemon.notifications import Notifications
from mayfly.service.manager import Manager

async def fails(self):
    raise RuntimeError("made up")

async def ends(self):
    pass

def fails_at_once(self):
    raise OSError(24, "made up")

{patch}
from mayfly.cli.main import main
sys.argv = sys.argv[3:]
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("patch", "is_logged"),
    [
        ("Notifications.run = fails", True),
        ("Notifications.run = ends", False),
        ("Manager.tick = fails_at_once", True),
        ("Manager.is_systemd = True; Manager.keep = lambda self, content: fails_at_once(self)", True),
    ],
)
async def test_side_work_that_fails_ends_nothing(world: World, patch: str, *, is_logged: bool) -> None:
    """Notifications, the watchdog's tick, sessions that systemd shall hold: without them clients are still served."""
    async with world.serve(prefix=(sys.executable, "-c", _PROGRAM.format(patch=patch))) as daemon:
        before = (await world.get()).status
        if is_logged:
            await daemon.event("task.failed")
        after = (await world.get()).status
        alive = daemon.process.returncode is None
        code = await daemon.end()

    assert (200, 200, True, 0) == (before, after, alive, code)


async def test_a_keeper_that_fails_ends_the_daemon(world: World) -> None:
    """Without the keeper's loop nothing is renewed: then the daemon ends, so that it is started anew."""
    patch = "from mayfly.daemon.keeper.rounds import Rounds\nRounds.look = fails"
    async with world.serve(prefix=(sys.executable, "-c", _PROGRAM.format(patch=patch))) as daemon:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert 0 != await daemon.process.wait()
