"""`mayfly install` and `uninstall` under a real `systemd --user`."""

from __future__ import annotations

import asyncio
import re
import shutil

from pathlib import Path

import pytest

from mayfly.cli.install import install
from mayfly.service import files
from support.configs import keys, loaded
from support.exchange import program
from support.managers import UNIT_NAMES, SystemdWorld, UserManager, unit_facts
from support.world import PATIENCE_SECONDS, SEED_TOML, World


async def test_installing_twice_changes_nothing(manager: UserManager) -> None:
    """The second `install --now` writes and restarts nothing, and says so; a third has systemd read an edited unit."""
    first = await manager.mayfly("install", "--now")
    before, pid = unit_facts(manager.units), await manager.main_pid()
    second = await manager.mayfly("install", "--now")
    after = unit_facts(manager.units)
    with (manager.units / "mayfly.service").open("a") as unit:
        unit.write("Environment=FOO=1\n")
    third = await manager.mayfly("install", "--now")

    assert (0, 0, 0) == (first.code, second.code, third.code)
    assert set(UNIT_NAMES) <= {path.name for path in manager.units.iterdir()}
    assert before == after
    assert pid == await manager.main_pid()
    assert "nothing is to be changed" in second.err
    assert f"{manager.units}/mayfly.service is kept as it is: it has been edited by hand" in third.err
    assert "no" == await manager.property("mayfly.service", "NeedDaemonReload")


async def test_files_that_have_gone_hinder_neither_install_nor_uninstall(manager: UserManager) -> None:
    """If the runtime folder was removed under open sockets, `install --now` opens new ones, and says so.

    If some units are gone and one is not ours, `uninstall` ends all services, leaves none enabled, and names the kept
    file.
    """
    await manager.mayfly("install", "--now")
    shutil.rmtree(manager.runtime_dir / "mayfly")
    gone = await manager.mayfly("status")
    ended = await manager.mayfly("install", "--now")
    served = await manager.world.get(token="")

    assert (3, 0, 401) == (gone.code, ended.code, served.status)
    assert "mayfly: hint: mayfly install --now\n" in gone.err
    assert "the daemon forgets its sessions" in ended.err
    assert (manager.runtime_dir / "mayfly/control.sock").is_socket()

    kept, pid = manager.units / "mayfly.service", await manager.main_pid()
    kept.write_text("# somebody's\n" + kept.read_text().rpartition("# mayfly ")[0])
    (manager.units / "mayfly-desk.socket").unlink()
    (manager.units / "mayfly.socket").unlink()
    ended = await manager.mayfly("uninstall")

    assert 0 == ended.code
    assert not manager.seen(f"/proc/{pid}").exists()
    assert [kept] == [path for path in manager.units.rglob("*") if not path.is_dir() or path.is_symlink()]
    assert "the service is gone" not in ended.err
    assert f"kept, because not ours: {kept}" in ended.err


async def test_install_says_what_to_put_into_each_shells_start_up_file(manager: UserManager) -> None:
    """It names a line for bash and zsh, one for fish, and `aws-config` for IDEs.

    In each the config's path is absolute and one word. An edited unit is not replaced, nor is one that is not ours;
    this is said with a way out.
    """
    config = manager.world.home / "my conf.toml"
    config.write_text(SEED_TOML)
    said = (await manager.mayfly("install", "--config", "my conf.toml")).err

    assert f"""eval "$(mayfly env --config '{config}')\"""" in said
    assert f"mayfly env --config '{config}' --shell fish | source" in said
    assert f"mayfly aws-config --write --config '{config}', and" in said

    edited, foreign = manager.units / "mayfly.service", manager.units / "mayfly-desk.service"
    edited.write_text(edited.read_text().replace("WatchdogSec=60", "WatchdogSec=99"))
    foreign.unlink()
    foreign.symlink_to("/dev/null")
    said = (await manager.mayfly("install")).err

    assert "WatchdogSec=99" in edited.read_text()
    assert foreign.is_symlink()
    assert f"{edited} is kept as it is: it has been edited by hand" in said
    assert f"{foreign} is kept as it is: it is not ours" in said
    assert "systemctl --user edit mayfly.service" in said
    assert "nothing is to be changed" not in said
    assert 'eval "$(' in said
    assert "mayfly env" in said
    assert "--shell fish | source" in said
    assert "aws-config --write" in said


async def test_a_dry_run_only_shows_and_options_are_judged_first(manager: UserManager) -> None:
    """`--dry-run` prints each file as it would be written, and does nothing; nor does a command with a bad option.

    Bad is an unknown profile, or an option of another system.
    """
    ended = await manager.mayfly("install", "--now", "--dry-run", "--environment-d", "nsrc")
    unknown = await manager.mayfly("install", "--environment-d", "nope")
    foreign = await manager.mayfly("install", "--launchctl-setenv", "nsrc")

    assert (0, 2, 2) == (ended.code, unknown.code, foreign.code)
    assert all(f"/systemd/user/{name}: absent" in ended.out for name in UNIT_NAMES)
    assert f"ListenStream=127.0.0.1:{manager.world.port}" in ended.out
    assert not re.search(r"@[A-Z_]+@", ended.out)
    assert "environment.d/50-mayfly.conf: absent" in ended.out
    assert f'AWS_CONTAINER_CREDENTIALS_FULL_URI="{manager.world.url}/credentials/nsrc"' in ended.out
    assert "has no profile 'nope'" in unknown.err
    assert "--launchctl-setenv is for macOS" in foreign.err
    assert not manager.units.exists()
    assert not (manager.units.parents[1] / "environment.d").exists()
    assert not (manager.runtime_dir / "mayfly").exists()


async def test_the_units_are_what_systemd_expects(manager: UserManager) -> None:
    """`systemd-analyze verify` finds no fault, and the daemon's exposure is at most 1.2."""
    await manager.mayfly("install")

    verified = await manager.run(
        "systemd-analyze", "--user", "verify", *(str(manager.units / name) for name in UNIT_NAMES)
    )
    rated = await manager.run(
        "systemd-analyze", "--user", "security", "--offline=true", "--no-pager", str(manager.units / "mayfly.service")
    )
    found = re.search(r"Overall exposure level for mayfly.service: ([\d.]+)", rated.out)

    assert ("", "") == (verified.out, verified.err)
    assert found
    assert float(found[1]) <= 1.2


async def test_a_unit_of_another_version_is_replaced(manager: UserManager) -> None:
    """A stale unit without edits is replaced, which is said, and the daemon keeps its sessions.

    Units that differ by the version's name alone are replaced without a word, and nothing is restarted.
    """
    await manager.mayfly("install", "--now")
    first = await manager.world.get()
    before = await manager.main_pid()
    ours = {path: path.read_text() for path in map(manager.units.joinpath, UNIT_NAMES)}
    for path in ours:
        path.write_text(files.stamped(files.body_of(path), version="0.0.1"))

    unnoted = await manager.mayfly("status")
    unsaid = (await manager.mayfly("install", "--now")).err
    same = await manager.main_pid()
    replaced = {path: path.read_text() for path in ours}
    stale = manager.units / "mayfly.service"
    stale.write_text(files.stamped(files.body_of(stale).replace("WatchdogSec=60", "WatchdogSec=61"), version="0.0.1"))
    noted = await manager.mayfly("status")
    said = (await manager.mayfly("install", "--now")).err
    second = await manager.world.get()

    assert "the service's units are" not in unnoted.out
    assert "nothing is to be changed" in unsaid
    assert "forgets its sessions" not in unsaid + said
    assert (before, ours) == (same, replaced)
    assert "the service's units are of mayfly 0.0.1" in noted.out
    assert f"replaced {stale}, of mayfly 0.0.1" in said
    assert ours[stale] == stale.read_text()
    assert before != await manager.main_pid()
    assert first.body == second.body


async def test_without_a_config_the_service_is_there_and_waits(manager: UserManager) -> None:
    """`install --now` does not wait for a config: it says that the service does."""
    config = manager.world.config.read_text()
    manager.world.config.unlink()

    ended = await manager.mayfly("install", "--now")
    waiting = await manager.world.get("/healthz", token="")
    manager.world.config.write_text(config)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while 200 != (await manager.world.get("/healthz", token="")).status:
            await asyncio.sleep(0.05)

    assert (0, 503) == (ended.code, waiting.status)
    assert "and serving once there is a config" in ended.err
    assert "there is no config yet: the service waits for " in ended.err
    assert 200 == (await manager.world.get()).status


async def test_a_home_may_have_any_name(unmanaged: SystemdWorld) -> None:
    """A blank, quotes, `&`, brackets and a backslash in the home's path hinder neither `install` nor the service.

    Nor does a variable with such a value: the manager has it, so there is no warning.
    """
    odd = unmanaged.home.with_name('a "b" & it\'s [c] (d) \\e')
    unmanaged.config = odd / unmanaged.config.relative_to(unmanaged.home)
    unmanaged.home = unmanaged.home.rename(odd)
    async with unmanaged.log_in() as manager:
        proxy = {"NO_PROXY": 'it\'s "a" $b\\c ü, d'}
        await manager.run("systemctl", "--user", "import-environment", "NO_PROXY", env=proxy)
        ended = await manager.mayfly("install", "--now", "--config", str(unmanaged.config), env=proxy)
        assert 0 == ended.code, ended.err
        served = await manager.world.get()
        removed = await manager.mayfly("uninstall")

    assert (200, 0) == (served.status, removed.code)
    assert "the service does not have this shell's" not in ended.err
    assert [] == list(manager.units.iterdir())


async def test_without_a_manager_the_reason_is_told(unmanaged: SystemdWorld) -> None:
    """If the user's manager does not run (su, cron), `install` fails with a way out, and writes nothing."""
    ended = await unmanaged.run("install", "--now", env={"XDG_RUNTIME_DIR": str(unmanaged.folder)})

    assert 1 == ended.code
    assert "mayfly: error: " in ended.err
    assert ended.err.endswith("mayfly: hint: or do without a service, in a terminal: mayfly serve\n")
    assert not (unmanaged.home / ".config/systemd").exists()


async def test_without_systemd_the_reason_is_told(world: World) -> None:
    """Without systemd and launchd, `install` says so, and what to do instead."""
    folder = world.folder / "bin"
    folder.mkdir()
    ended = await world.run("install", env={"PATH": f"{world.op.parent}:{folder}"})

    assert 1 == ended.code
    assert "mayfly: error: there is neither systemd nor launchd here" in ended.err
    assert "mayfly: hint: start it yourself at log-in: mayfly serve" in ended.err


def test_the_service_looks_where_the_shell_finds_the_configs_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bare name of `otp_command` or `token_command` is found on the shell's PATH, which a service does not have."""
    folder = program(tmp_path / "bin/keyman", "").parent
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin")
    on_key = {name: value for name, value in keys().items() if name != "otp"}
    profiles = {
        "a": on_key | {"otp_command": ["keyman", "code"]},
        "b": on_key | {"otp_command": ["env"]},
        "c": on_key | {"otp_command": [f"{folder}/keyman"], "onepassword": "ci"},
    }
    config = loaded({"profiles": profiles, "onepasswords": {"ci": {"token_command": ["teller"]}}})

    assert [str(folder)] == list(install._command_folders(config, warns=True))
    assert "token_command: teller is not on PATH" in capsys.readouterr().err
