"""A bad config under a real `systemd --user`: neither a client nor `systemctl restart` waits for an answer."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from support.managers import UserManager


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


_FETCH = """
import json, sys, urllib.error, urllib.request
asked = urllib.request.Request(sys.argv[1], headers={"Authorization": sys.argv[2]})
try:
    print(json.dumps([200, urllib.request.urlopen(asked, timeout=float(sys.argv[3])).read().decode()]))
except urllib.error.HTTPError as error:
    print(json.dumps([error.code, error.read().decode()]))
"""


async def fetch(manager: UserManager, target: str, seconds: float = 3) -> tuple[int, str]:
    """Status and code of what a program of the user's gets."""
    url = f"{manager.world.url}{target}"
    ended = await manager.run(str(manager.python), "-I", "-c", _FETCH, url, manager.world.token(), str(seconds))
    assert 0 == ended.code, ended.err
    status, body = json.loads(ended.out)
    return status, json.loads(body).get("code", "")


@linux_only
async def test_a_bad_config_keeps_nobody_waiting(manager: UserManager) -> None:
    """`systemctl restart` returns at once, clients get 400 with the reason, and a config that is mended is served.

    `systemctl stop` ends the stand-in, which serves in the daemon's place, at once.
    """
    await manager.install("--now")
    good = manager.world.config.read_text()
    before = (await manager.fetch())["AccessKeyId"]
    manager.world.config.write_text("{")
    async with asyncio.timeout(10):
        await manager.systemctl("restart", "mayfly.service")
    shown = await manager.property("mayfly.service", "StatusText")
    client, health = await fetch(manager, "/credentials/nsrc"), await fetch(manager, "/healthz")
    status = await manager.mayfly("status")
    manager.world.config.write_text(good)
    async with asyncio.timeout(20):
        while (await fetch(manager, "/credentials/nsrc"))[0] != 200:
            await asyncio.sleep(0.1)
    after = (await manager.fetch())["AccessKeyId"]

    assert "not serving: " in shown
    assert ((400, "ConfigInvalid"), (503, "NotServing")) == (client, health)
    assert (2, "mayfly: error: ") == (status.code, status.err[:15])
    # The sessions that systemd holds outlive the daemon that refuses clients.
    assert before == after

    manager.world.config.write_text("{")
    await manager.systemctl("restart", "mayfly.service")
    async with asyncio.timeout(10):
        await manager.systemctl("stop", "mayfly.socket", "mayfly.service")
    assert "inactive" == await manager.property("mayfly.service", "ActiveState")
    assert "success" == await manager.property("mayfly.service", "Result")


WRONG_MODES = [
    ("config", 0o666, 0o644, "chmod go-w"),
    ("config", 0o000, 0o600, "Permission denied"),
    ("folder", 0o000, 0o700, "Permission denied"),
    ("folder", 0o777, 0o755, "chmod go-w"),
    ("tokens", 0o777, 0o700, "chmod 700"),
    ("token", 0o644, 0o600, "chmod 600"),
]


@linux_only
async def test_a_wrong_mode_is_told_and_its_mending_is_noticed(ordinary: UserManager) -> None:
    """The daemon says which mode is wrong, and serves soon after the chmod, though no file has new contents."""
    await ordinary.install("--now")
    await ordinary.fetch()
    token, run = ordinary.world.token(), ordinary.runtime_dir / "mayfly"
    config = ordinary.world.config
    places = {"config": config, "folder": config.parent, "tokens": run / "tokens", "token": run / "tokens/nsrc"}

    for name, bad, good, reason in WRONG_MODES:
        place = places[name]
        place.chmod(bad)
        async with asyncio.timeout(10):
            await ordinary.systemctl("restart", "mayfly.service")
        shown = await ordinary.property("mayfly.service", "StatusText")
        refused = await fetch(ordinary, "/credentials/nsrc")
        started_before = int(await ordinary.property("mayfly.service", "NRestarts"))
        place.chmod(good)
        # Less than the 30 s after which the daemon starts anew in any case.
        async with asyncio.timeout(15):
            while (await fetch(ordinary, "/credentials/nsrc", seconds=15))[0] != 200:
                await asyncio.sleep(0.1)
        restarts = int(await ordinary.property("mayfly.service", "NRestarts")) - started_before

        told = f"not serving: {place}" if place.is_relative_to(config.parent) else "not serving: "
        assert (token, (400, "ConfigInvalid")) == (ordinary.world.token(), refused), (name, oct(bad))
        assert shown.startswith(told)
        assert reason in shown
        # It waited for the mending, instead of starting again and again.
        assert 1 == restarts, (name, oct(bad))
