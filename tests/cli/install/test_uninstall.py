"""`mayfly uninstall` with a real user manager of systemd."""

from __future__ import annotations

from support.managers import UNIT_NAMES, UserManager


async def test_uninstall_leaves_nothing(manager: UserManager) -> None:
    """Units, links, processes, failures and folders are gone; the config stays. A second time there is no service.

    The file for programs of the desktop, gone with the rest, had the URL and the path of the token's file, and no
    secret.
    """
    installed = await manager.mayfly("install", "--now", "--environment-d", "nsrc")
    await manager.world.get()
    environment, token = (manager.units.parents[1] / "environment.d/50-mayfly.conf").read_text(), manager.world.token()

    ended = await manager.mayfly("uninstall")
    again = await manager.mayfly("uninstall")

    left = [path for path in manager.units.parents[1].rglob("*") if path.is_file() or path.is_symlink()]
    assert (0, 0, 0) == (installed.code, ended.code, again.code)
    assert f'AWS_CONTAINER_CREDENTIALS_FULL_URI="{manager.world.url}/credentials/nsrc"' in environment
    assert f'TOKEN_FILE="/run/user/{manager.uid}/mayfly/tokens/nsrc"' in environment
    assert token not in environment
    assert [manager.world.config] == left
    assert "" == await manager.systemctl("list-units", "--all", "--no-legend", "mayfly*")
    assert not (manager.runtime_dir / "mayfly").exists()
    assert "there was no service" in again.err


async def test_uninstall_ends_what_runs_without_any_unit(manager: UserManager) -> None:
    """If all units are gone, their services end all the same."""
    await manager.mayfly("install", "--now")
    for name in UNIT_NAMES:
        (manager.units / name).unlink()

    ended = await manager.mayfly("uninstall")

    assert "the service is gone" in ended.err
    assert [] == [path for path in manager.units.rglob("*") if path.is_symlink()]
    assert "" == await manager.systemctl("list-units", "--all", "--no-legend", "mayfly*")
