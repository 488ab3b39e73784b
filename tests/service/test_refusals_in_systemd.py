"""A "no" under a real `systemd --user`: it outlives the daemon that was told it."""

from __future__ import annotations

import asyncio

import pytest

from support.managers import UserManager
from support.world import SEED_TOML, World


@pytest.mark.slow
async def test_a_no_outlives_a_kill_and_a_restart_but_not_a_stop(manager: UserManager) -> None:
    """A profile that is always to be fresh, and a prompt that was dismissed: the next daemon does not prompt again.

    A stop empties the store, so the daemon after that knows of no "no": it waits until a client asks.
    """
    world = await _dismissed(manager)
    pids = [await manager.main_pid()]

    await manager.systemctl("kill", "--signal=KILL", "mayfly.service")
    pids.append(await manager.anew(pids[-1]))
    killed = await world.get()
    await asyncio.sleep(1)
    await manager.systemctl("restart", "mayfly.service")
    pids.append(await manager.main_pid())
    restarted = await world.get()
    await asyncio.sleep(2)
    with_a_no = len(world.vault.calls())
    await manager.systemctl("stop", "mayfly.service", "mayfly.socket")
    await manager.systemctl("start", "mayfly.socket", "mayfly.service")
    pids.append(await manager.main_pid())
    await asyncio.sleep(2)
    in_silence = len(world.vault.calls())
    asked = await world.get()

    for refused in (killed, restarted, asked):
        assert (403, "ApprovalDismissed") == (refused.status, refused.json["code"])
    assert 4 == len({*pids})
    assert (1, 1, 2) == (with_a_no, in_silence, len(world.vault.calls()))


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
