"""A "no" under a real `systemd --user`: it outlives the daemon that was told it."""

from __future__ import annotations

import asyncio

import pytest

from support.managers import UserManager
from support.world import SEED_TOML


@pytest.mark.slow
@pytest.mark.parametrize("end", ["restart", "kill"])
async def test_a_no_outlives_a_restart(manager: UserManager, end: str) -> None:
    """A profile that is always to be fresh, and a prompt that was dismissed: the next daemon does not prompt again."""
    world = manager.world
    world.write_toml(SEED_TOML + 'refresh = "always"\n')
    world.vault.update(prompt={"answer": "dismiss"})
    await manager.install("--now")
    async with asyncio.timeout(20):
        while not manager.events("session.refresh_failed"):
            await asyncio.sleep(0.05)
    before = await manager.main_pid()

    if end == "kill":
        await manager.systemctl("kill", "--signal=KILL", "mayfly.service")
        await manager.anew(before)
    else:
        await manager.systemctl("restart", "mayfly.service")
    refused = await world.get()
    await asyncio.sleep(2)

    assert (403, "ApprovalDismissed") == (refused.status, refused.json["code"])
    assert before != await manager.main_pid()
    assert 1 == len(world.vault.calls())
