"""A "no" under a real `systemd --user`: it outlives the daemon that was told it."""

from __future__ import annotations

import asyncio

import pytest

from support.managers import UserManager
from support.world import SEED_TOML, World


@pytest.mark.slow
@pytest.mark.parametrize("end", ["restart", "kill"])
async def test_a_no_outlives_a_restart(manager: UserManager, end: str) -> None:
    """A profile that is always to be fresh, and a prompt that was dismissed: the next daemon does not prompt again."""
    world = await _dismissed(manager)
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


@pytest.mark.slow
async def test_a_stop_and_a_start_ask_nobody(manager: UserManager) -> None:
    """A stop empties the store, so the next daemon knows of no "no": it waits until a client asks."""
    world = await _dismissed(manager)
    before = await manager.main_pid()

    await manager.systemctl("stop", "mayfly.service", "mayfly.socket")
    await manager.systemctl("start", "mayfly.socket", "mayfly.service")
    await asyncio.sleep(2)
    in_silence = len(world.vault.calls())
    refused = await world.get()

    assert before != await manager.main_pid()
    assert (1, 403, 2) == (in_silence, refused.status, len(world.vault.calls()))


async def _dismissed(manager: UserManager) -> World:
    """A daemon with a profile that is always to be fresh; its first client's prompt was dismissed, the only one."""
    world = manager.world
    world.write_toml(SEED_TOML + 'refresh = "always"\n')
    world.vault.update(prompt={"answer": "dismiss"})
    await manager.install("--now")
    await asyncio.sleep(1)
    in_silence = len(world.vault.calls())
    refused = await world.get()
    assert (0, 403, 1) == (in_silence, refused.status, len(world.vault.calls()))
    return world
