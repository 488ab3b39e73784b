"""`mayfly uninstall` with a real user manager of systemd."""

from __future__ import annotations

from support.managers import UNIT_NAMES, UserManager


async def test_uninstall_leaves_nothing(manager: UserManager) -> None:
    """Units, links, processes, failures and folders are gone; the config stays. A second time there is no service."""
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


async def test_uninstall_ends_the_services_even_if_units_are_missing(manager: UserManager) -> None:
    """If some units are gone and one is not ours, all services end, none is enabled, and the kept file is named."""
    await manager.mayfly("install", "--now")
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


async def test_uninstall_ends_what_runs_without_any_unit(manager: UserManager) -> None:
    """If all units are gone, their services end all the same."""
    await manager.mayfly("install", "--now")
    for name in UNIT_NAMES:
        (manager.units / name).unlink()

    ended = await manager.mayfly("uninstall")

    assert "the service is gone" in ended.err
    assert [] == [path for path in manager.units.rglob("*") if path.is_symlink()]
    assert "" == await manager.systemctl("list-units", "--all", "--no-legend", "mayfly*")
