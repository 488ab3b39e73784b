"""The service, installed under a real `systemd --user`."""

from __future__ import annotations

import asyncio
import shlex

from pathlib import Path

from support.ancestors import orphaned
from support.managers import ROOT, SCRIPT, SOMEBODY, SystemdWorld, UserManager
from support.user_site import base_python, install_for_user
from support.world import PATIENCE_SECONDS, SEED_TOML


async def test_the_first_request_after_log_in_starts_the_daemon(unmanaged: SystemdWorld) -> None:
    """After a log-in the port is open, and the first request starts the daemon and is answered by it."""
    async with unmanaged.log_in(ROOT) as manager:
        await manager.install()

    async with unmanaged.log_in(ROOT) as manager:
        assert "inactive" == await manager.property("mayfly.service", "ActiveState")
        refused = await unmanaged.get(token="")
        served = await unmanaged.get()

        assert (401, 200) == (refused.status, served.status)
        assert "1 profiles on 127.0.0.1" in await manager.property("mayfly.service", "StatusText")


async def test_an_ordinary_user_is_served_and_another_user_is_turned_away(ordinary: UserManager) -> None:
    """An ordinary user is served across a kill; `install` says which parts of the seal the machine lacks.

    The sealed daemon, too, knows a client's user: root's gets nothing, even with a valid token.
    """
    said = (await ordinary.install("--now")).err
    refused = await ordinary.world.get()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not ordinary.events("request.refused"):
            await asyncio.sleep(0.02)
    asked = ordinary.world.vault.calls()
    first = await ordinary.fetch()
    before = await ordinary.main_pid()
    await ordinary.systemctl("kill", "--signal=KILL", "mayfly.service")
    second = await ordinary.fetch()

    assert first["AccessKeyId"] == second["AccessKeyId"]
    assert before != await ordinary.main_pid()
    assert (ordinary.units / "mayfly.service.d/10-this-machine.conf").exists() == ("left out" in said)
    assert (403, "ForeignUser", []) == (refused.status, refused.json["code"], asked)
    assert "user" in [event["cause"] for event in ordinary.events("request.refused")]


async def test_the_sealed_daemon_learns_of_agents_from_the_desk(manager: UserManager) -> None:
    """It cannot look into other processes. The desk can: an agent is refused at both faces, a person is not."""
    world = manager.world
    world.write_toml(SEED_TOML + 'agents = "deny"\n')
    await manager.install("--now")
    control = f"/run/user/{manager.uid}/mayfly/control.sock"
    ask = ("curl", "-s", "-o", "/dev/null", "-w", r"%{http_code}\n")
    faces = (
        (*ask, "-H", f"Authorization: {world.token()}", f"{world.url}/credentials/nsrc"),
        (*ask, "--unix-socket", control, "http://mayfly/process/nsrc"),
    )
    script = "; ".join(map(shlex.join, faces))
    statuses = [
        (await manager.run(*orphaned("env", mark, "sh", "-c", script))).out.split() for mark in ("CLAUDECODE=1", "X=1")
    ]

    assert [["403", "403"], ["200", "200"]] == statuses
    assert ["claude-code"] == [event["acting_agent"] for event in manager.events("agent.refused")]
    assert "active" == await manager.property("mayfly-desk.service", "ActiveState")


async def test_sessions_outlive_a_kill_and_a_restart_but_not_a_stop(manager: UserManager) -> None:
    """`kill -9` and a restart cost no prompt and refuse no request; a stop empties the store, and shells' prompts.

    `mayfly status` names systemd as the manager; while the daemon is stopped, it says how to start it.
    """
    await manager.install("--now")
    world = manager.world
    first = await world.get()

    await manager.systemctl("kill", "--signal=KILL", "mayfly.service")
    killed = await world.get()
    await manager.systemctl("restart", "mayfly.service")
    restarted = await world.get()
    recalled = len(manager.events("session.recalled"))
    prompt = manager.runtime_dir / "mayfly/prompt/nsrc"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not prompt.exists():
            await asyncio.sleep(0.02)
    running = await manager.mayfly("status")
    await manager.systemctl("stop", "mayfly.socket", "mayfly.service")
    is_left = prompt.exists()
    stopped = await manager.mayfly("status")
    await manager.systemctl("start", "mayfly.socket", "mayfly.service")

    assert first.body == killed.body == restarted.body
    assert 1 == len(world.vault.calls())
    assert 2 == recalled == len(manager.events("session.recalled"))
    assert not is_left
    assert (0, 3) == (running.code, stopped.code)
    assert "(by systemd)" in running.out
    assert "systemctl --user start mayfly.socket" in stopped.err


async def test_what_is_forgotten_stays_forgotten(manager: UserManager) -> None:
    """A session that `mayfly forget` has dropped is not recalled after `kill -9`."""
    await manager.install("--now")
    await manager.world.get()
    before = await manager.main_pid()
    assert "1" == await manager.property("mayfly.service", "NFileDescriptorStore")

    await manager.mayfly("forget")
    await manager.systemctl("kill", "--signal=KILL", "mayfly.service")
    await manager.anew(before)

    assert [] == manager.events("session.recalled")
    assert "0" == await manager.property("mayfly.service", "NFileDescriptorStore")


async def test_a_changed_config_gets_no_strangers_session(manager: UserManager) -> None:
    """A session that was kept for other references than the config has now is dropped."""
    await manager.install("--now")
    await manager.world.get()
    before = await manager.main_pid()
    config = manager.world.config
    config.write_text(config.read_text().replace("totp", "one-time password"))

    await manager.systemctl("kill", "--signal=KILL", "mayfly.service")
    await manager.anew(before)

    assert [] == manager.events("session.recalled")


async def test_a_daemon_killed_in_the_middle_of_an_exchange_leaves_nothing_behind(manager: UserManager) -> None:
    """When the daemon is killed its exchange ends with op; the next request starts a new exchange."""
    await manager.install("--now")
    world = manager.world
    world.vault.update(prompt={"delay_s": 60})
    asking = asyncio.create_task(world.get())
    async with asyncio.timeout(20):
        while not world.vault.state()["prompts"]:
            await asyncio.sleep(0.05)
    before = await manager.main_pid()

    await manager.systemctl("kill", "--signal=KILL", "mayfly.service")
    await asyncio.gather(asking, return_exceptions=True)
    await manager.anew(before)
    async with asyncio.timeout(20):
        while "active" in await manager.systemctl("list-units", "--no-legend", "mayfly-exchange@*"):
            await asyncio.sleep(0.05)
    world.vault.update(prompt={"delay_s": 0})

    assert 200 == (await world.get()).status


async def test_an_idle_daemon_feeds_the_watchdog_and_one_that_hangs_is_restarted(manager: UserManager) -> None:
    """A daemon whose loop misses the watchdog's time is killed and restarted, with its sessions."""
    await manager.install()
    manager.lay_over("50-watchdog", "WatchdogSec=1s", units=("mayfly.service",))
    await manager.systemctl("daemon-reload")
    await manager.systemctl("start", "mayfly.socket", "mayfly-exchange.socket", "mayfly.service")
    before = await manager.main_pid()
    fed = await manager.property("mayfly.service", "WatchdogTimestampMonotonic")
    first = await manager.world.get()
    async with asyncio.timeout(20):
        while int(await manager.property("mayfly.service", "WatchdogTimestampMonotonic")) < int(fed) + 2_000_000:
            await asyncio.sleep(0.1)
    assert before == await manager.main_pid()

    await manager.systemctl("kill", "--signal=STOP", "mayfly.service")
    second = await manager.world.get()

    assert first.body == second.body
    assert before != await manager.main_pid()


async def test_a_reload_takes_over_the_config_and_says_so(manager: UserManager) -> None:
    """`systemctl reload` and `mayfly reload` take over the config; a bad one is refused, and the daemon goes on."""
    manager.world.write_toml()
    await manager.install("--now")
    before = await manager.main_pid()

    await manager.systemctl("reload", "mayfly.service")
    async with asyncio.timeout(20):
        while not manager.events("config.reloaded"):
            await asyncio.sleep(0.02)
    config = manager.world.write_toml(SEED_TOML + SEED_TOML.replace("profiles.nsrc", "profiles.two"))
    told = await manager.mayfly("reload")
    async with asyncio.timeout(20):
        while "2 profiles on " not in await manager.property("mayfly.service", "StatusText"):
            await asyncio.sleep(0.02)
    config.write_text("[")
    refused = await manager.mayfly("reload")

    assert (0, f"took over {config}\n") == (told.code, told.out)
    assert 2 == refused.code
    assert before == await manager.main_pid()
    assert "active" == await manager.property("mayfly.service", "ActiveState")


async def test_a_restart_in_a_prompt_asks_nobody_twice(manager: UserManager) -> None:
    """A daemon that is told to end waits for the prompt on the screen, and the next one has the session."""
    await manager.install("--now")
    world = manager.world
    world.vault.update(prompt={"answer": "ignore"})
    asking = asyncio.create_task(world.get())
    async with asyncio.timeout(20):
        while not world.vault.state()["prompts"]:
            await asyncio.sleep(0.05)

    restarting = asyncio.create_task(manager.systemctl("restart", "mayfly.service"))
    async with asyncio.timeout(20):
        while not manager.events("daemon.draining"):
            await asyncio.sleep(0.02)
    world.vault.update(prompt={"answer": "approve"})
    first = await asking
    await restarting
    second = await world.get()

    assert (200, first.body) == (first.status, second.body)
    assert (1, 1) == (world.vault.state()["prompts"], len(world.vault.calls()))


def test_the_script_is_there() -> None:
    """The manager's script can be run."""
    assert SCRIPT.stat().st_mode & 0o111


async def test_an_installation_for_the_user_alone_becomes_a_service(unmanaged: SystemdWorld) -> None:
    """After `pip install --user` the units find mayfly: the daemon, the exchange and the desk start."""
    await asyncio.to_thread(install_for_user, unmanaged.home, editable=True)
    async with unmanaged.log_in(SOMEBODY, Path(base_python())) as manager:
        installed = await manager.run(base_python(), "-m", "mayfly", "install", "--now")
        assert 0 == installed.code, installed.err
        given = await manager.fetch()
        desk = await manager.property("mayfly-desk.service", "ActiveState")

    assert given["AccessKeyId"].startswith("ASIA")
    assert "active" == desk


async def test_a_managers_variable_forges_no_other(ordinary: UserManager) -> None:
    """A value may contain any line separator of Unicode; systemctl ends a line with a newline alone."""
    await ordinary.systemctl("set-environment", "A=x\u2028MAYFLY_FORGED=y")
    program = "from mayfly.service import systemd; print(ascii(systemd.environment()))"

    ended = await ordinary.run(str(ordinary.python), "-I", "-c", program)

    assert "'A': 'x\\u2028MAYFLY_FORGED=y'" in ended.out, ended.err
