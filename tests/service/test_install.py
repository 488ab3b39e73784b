"""`mayfly install` and `uninstall` under a real `systemd --user`."""

from __future__ import annotations

import re

from pathlib import Path

from service.managers import SystemdWorld, UserManager
from world import World, free_port


NAMES = (
    "mayfly-desk.service",
    "mayfly-desk.socket",
    "mayfly-exchange.socket",
    "mayfly-exchange@.service",
    "mayfly.service",
    "mayfly.socket",
)


def facts(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file's inode and time: what tells whether it was written again."""
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


async def test_installing_twice_changes_nothing(manager: UserManager) -> None:
    """The second `install --now` writes nothing, restarts nothing, and says so."""
    first = await manager.mayfly("install", "--now")
    before, pid = facts(manager.units), await manager.main_pid()
    second = await manager.mayfly("install", "--now")

    assert (0, 0) == (first.code, second.code)
    assert set(NAMES) <= {path.name for path in manager.units.iterdir()}
    assert before == facts(manager.units)
    assert pid == await manager.main_pid()
    assert "nothing is to be changed" in second.err


async def test_install_says_what_to_put_into_each_shells_start_up_file(manager: UserManager) -> None:
    """There is a line for bash and zsh, one for fish, and `aws-config` for IDEs."""
    said = (await manager.mayfly("install")).err

    assert 'eval "$(' in said
    assert "mayfly env" in said
    assert "--shell fish | source" in said
    assert "aws-config --write" in said


async def test_a_dry_run_only_shows(manager: UserManager) -> None:
    """`--dry-run` prints every unit, filled in, and does nothing."""
    ended = await manager.mayfly("install", "--now", "--dry-run")

    assert 0 == ended.code
    assert all(f"/systemd/user/{name}: absent" in ended.out for name in NAMES)
    assert f"ListenStream=127.0.0.1:{manager.world.port}" in ended.out
    assert not re.search(r"@[A-Z_]+@", ended.out)
    assert not manager.units.exists()


async def test_the_units_are_what_systemd_expects(manager: UserManager) -> None:
    """`systemd-analyze verify` has nothing to say, and the daemon's exposure is at 1.2 or better."""
    await manager.mayfly("install")

    verified = await manager.run("systemd-analyze", "--user", "verify", *(str(manager.units / name) for name in NAMES))
    rated = await manager.run(
        "systemd-analyze", "--user", "security", "--offline=true", "--no-pager", str(manager.units / "mayfly.service")
    )
    found = re.search(r"Overall exposure level for mayfly.service: ([\d.]+)", rated.out)

    assert ("", "") == (verified.out, verified.err)
    assert found
    assert float(found[1]) <= 1.2


async def test_uninstall_leaves_nothing(manager: UserManager) -> None:
    """No unit, no link, no process, no failure, no folder is left; the config stays. A second time there is nothing."""
    await manager.mayfly("install", "--now", "--environment-d", "nsrc")
    await manager.world.get()

    first = await manager.mayfly("uninstall")
    second = await manager.mayfly("uninstall")

    left = [path for path in manager.units.parents[1].rglob("*") if path.is_file() or path.is_symlink()]
    assert (0, 0) == (first.code, second.code)
    assert [manager.world.config] == left
    assert "" == await manager.systemctl("list-units", "--all", "--no-legend", "mayfly*")
    assert not (manager.runtime_dir / "mayfly").exists()
    assert "there was no service" in second.err


async def test_an_edited_unit_is_kept(manager: UserManager) -> None:
    """A unit that was edited by hand is not replaced, and that is said with a way out; so is one that is not ours."""
    await manager.mayfly("install")
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


async def test_a_unit_of_another_version_is_replaced(manager: UserManager) -> None:
    """A stale unit, unedited, is replaced, and that is said; the running daemon keeps its sessions."""
    await manager.mayfly("install", "--now")
    first = await manager.world.get()
    before = await manager.main_pid()
    stale = manager.units / "mayfly.service"
    ours = stale.read_text()
    stale.write_text(await _of_another_version(manager, ours))

    noted = await manager.mayfly("status")
    said = (await manager.mayfly("install", "--now")).err
    second = await manager.world.get()

    assert "the service's units are of mayfly 0.0.1" in noted.out
    assert f"replaced {stale}, of mayfly 0.0.1" in said
    assert ours == stale.read_text()
    assert before != await manager.main_pid()
    assert first.body == second.body


async def _of_another_version(manager: UserManager, unit: str) -> str:
    """The unit as an older version would have written it."""
    program = (
        "import sys; from mayfly.service.files import stamped; print(stamped(sys.argv[1], version='0.0.1'), end='')"
    )
    body = unit[: unit.rstrip("\n").rfind("\n") + 1].replace("WatchdogSec=60", "WatchdogSec=61")
    return (await manager.run(str(manager.python), "-I", "-c", program, body)).out


async def test_another_address_opens_the_sockets_anew(manager: UserManager) -> None:
    """With another listening address in force, `install --now` moves the service there, and says what that costs."""
    await manager.mayfly("install", "--now")
    port = free_port()

    ended = await manager.mayfly("install", "--now", env={"MAYFLY_LISTEN": f"127.0.0.1:{port}"})
    manager.world.port = port

    assert 0 == ended.code
    assert "the daemon forgets its sessions" in ended.err
    assert 200 == (await manager.world.get()).status


async def test_a_port_that_is_taken_is_told_with_who_has_it(manager: UserManager) -> None:
    """Where somebody else listens, `install --now` names the process and starts nothing."""
    async with World.serve(manager.world):
        ended = await manager.mayfly("install", "--now")

    assert 1 == ended.code
    assert f"127.0.0.1:{manager.world.port} is taken by " in ended.err
    assert "inactive" == await manager.property("mayfly.socket", "ActiveState")


async def test_environment_d_names_the_tokens_file_and_no_token(manager: UserManager) -> None:
    """Programs of the desktop are given the URL and the path of the token's file, in a file that holds no secret."""
    ended = await manager.mayfly("install", "--now", "--environment-d", "nsrc")
    written = (manager.units.parents[1] / "environment.d/50-mayfly.conf").read_text()

    assert 0 == ended.code
    assert f'AWS_CONTAINER_CREDENTIALS_FULL_URI="{manager.world.url}/credentials/nsrc"' in written
    assert f'TOKEN_FILE="/run/user/{manager.uid}/mayfly/tokens/nsrc"' in written
    assert manager.world.token() not in written


async def test_without_a_manager_the_reason_is_told(unmanaged: SystemdWorld) -> None:
    """Where the user's manager does not run (su, cron), `install` fails with a way out, and writes nothing."""
    ended = await unmanaged.run("install", "--now", env={"XDG_RUNTIME_DIR": str(unmanaged.folder)})

    assert 1 == ended.code
    assert "mayfly: error: " in ended.err
    assert "mayfly: hint: " in ended.err
    assert not (unmanaged.home / ".config/systemd").exists()


async def test_without_systemd_the_reason_is_told(world: World) -> None:
    """Where there is neither systemd nor launchd, `install` says so, and what to do instead."""
    folder = world.folder / "bin"
    folder.mkdir()
    ended = await world.run("install", env={"PATH": f"{world.op.parent}:{folder}"})

    assert 1 == ended.code
    assert "mayfly: error: there is neither systemd nor launchd here" in ended.err
    assert "mayfly: hint: start it yourself at log-in: mayfly serve" in ended.err
