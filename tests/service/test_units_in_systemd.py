"""The service, installed under a real `systemd --user`."""

from __future__ import annotations

import asyncio
import os
import signal

from service.managers import ROOT, SystemdWorld, UserManager


async def test_the_first_request_after_log_in_starts_the_daemon(unmanaged: SystemdWorld) -> None:
    """After a log-in the port is open, and the first request finds a daemon."""
    async with unmanaged.log_in(ROOT) as manager:
        await manager.install()
        assert "inactive" == await manager.property("mayfly.service", "ActiveState")

    async with unmanaged.log_in(ROOT) as manager:
        reply = await unmanaged.get(token="")
        assert 401 == reply.status
        assert 200 == (await unmanaged.get()).status
        assert 1 == len(unmanaged.vault.calls())
        assert "active" == await manager.property("mayfly.service", "ActiveState")


async def test_an_ordinary_user_is_served(ordinary: UserManager) -> None:
    """An ordinary user's service works, with as much of the seal as the machine has, and what lacks is said."""
    said = (await ordinary.install("--now")).err

    first = await ordinary.world.get()
    os.kill(await _pid_out_here(ordinary), signal.SIGKILL)
    second = await ordinary.world.get()

    assert 200 == first.status
    assert first.json["AccessKeyId"] == second.json["AccessKeyId"]
    left_out = (ordinary.units / "mayfly.service.d/10-this-machine.conf").exists()
    assert left_out == ("left out" in said)
    print(said)


async def _pid_out_here(manager: UserManager) -> int:
    await manager.systemctl("kill", "--signal=KILL", "mayfly.service")
    return 0
