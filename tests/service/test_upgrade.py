"""Another version is installed, as from a wheel, while the daemon runs."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import venv

from pathlib import Path

import attrs

import mayfly

from support.managers import REPOSITORY, ROOT, SystemdWorld, UserManager


# The versions are copies of the package, which coverage does not count.


def installed(folder: Path) -> tuple[Path, Path]:
    """An interpreter in an environment with a copy of the package and its units; and the copy's folder."""
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    package = site / "mayfly"
    shutil.copytree(Path(mayfly.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "units"))
    for kind in ("systemd", "launchd"):
        shutil.copytree(REPOSITORY / kind, package / "service/units" / kind)
    # The libraries come from this environment. Python reads no .pth files in a folder that a .pth file names.
    (site / "libraries.pth").write_text(str(Path(attrs.__file__).parents[1]) + "\n")
    return folder / "bin" / Path(sys.executable).name, package


def install_version(package: Path, name: str) -> None:
    """Give the package on disk another version, in one step."""
    version = package / "__init__.py"
    draft = version.with_name("draft.py")
    draft.write_text(version.read_text().replace(mayfly.__version__, name))
    draft.rename(version)


async def start_with_frequent_looks(manager: UserManager) -> None:
    """Install and start the service, with a watchdog for which the daemon looks after everything twice a second."""
    await manager.install()
    manager.lay_over("50-watchdog", "WatchdogSec=1s", units=("mayfly.service",))
    await manager.systemctl("daemon-reload")
    await manager.systemctl("start", "mayfly.socket", "mayfly-exchange.socket", "mayfly.service")


async def look_twice(manager: UserManager) -> None:
    """Wait until the daemon has looked after everything twice more: each look feeds the watchdog."""
    fed = await manager.property("mayfly.service", "WatchdogTimestampMonotonic")
    for _ in range(2):
        async with asyncio.timeout(20):
            while (now := await manager.property("mayfly.service", "WatchdogTimestampMonotonic")) == fed:
                await asyncio.sleep(0.05)
        fed = now


async def test_a_new_version_takes_over_with_the_sessions(unmanaged: SystemdWorld) -> None:
    """After `pip install -U` the daemon ends when it is idle; the new one has its sessions.

    Units that would read the same need no `mayfly install`.
    """
    python, package = installed(unmanaged.folder / "venv")
    async with unmanaged.log_in(ROOT, python) as manager:
        await start_with_frequent_looks(manager)
        first = await unmanaged.get()
        before = await manager.main_pid()

        install_version(package, "99.0.0")
        await manager.anew(before)
        second = await unmanaged.get()
        status = await manager.mayfly("status")

    assert first.body == second.body
    assert "mayfly 99.0.0 (by systemd)" in status.out
    assert "units are of mayfly" not in status.out
    assert 1 == len(unmanaged.vault.calls())


async def test_a_busy_daemon_finishes_first(unmanaged: SystemdWorld) -> None:
    """While a prompt is on the screen the old version stays, and says so; the client gets its answer, then it ends."""
    python, package = installed(unmanaged.folder / "venv")
    async with unmanaged.log_in(ROOT, python) as manager:
        await start_with_frequent_looks(manager)
        before = await manager.main_pid()
        unmanaged.vault.update(prompt={"answer": "ignore"})
        asking = asyncio.create_task(unmanaged.get())
        async with asyncio.timeout(20):
            while not unmanaged.vault.state()["prompts"]:
                await asyncio.sleep(0.05)
        install_version(package, "99.0.0")
        await look_twice(manager)
        during = await manager.main_pid()
        # The package on disk is another one by now, as the command.
        program = "import mayfly.cli.client as c; print(c.ask('GET', '/status').body.decode())"
        status = await manager.run(str(python), "-I", "-c", program)
        unmanaged.vault.update(prompt={"answer": "approve"})
        first = await asking
        await manager.anew(before)
        second = await unmanaged.get()

    assert before == during
    assert "mayfly 99.0.0 is installed" in status.out
    assert (200, first.body) == (first.status, second.body)


async def test_reworded_units_cost_no_session(unmanaged: SystemdWorld) -> None:
    """`install --now` with new comments in every unit, and a new setting in the daemon's, keeps the session."""
    python, package = installed(unmanaged.folder / "venv")
    async with unmanaged.log_in(ROOT, python) as manager:
        await manager.install("--now")
        first = await unmanaged.get()
        for template in (package / "service/units/systemd").iterdir():
            template.write_text("# In other words.\n" + template.read_text())
        service = package / "service/units/systemd/mayfly.service"
        service.write_text(service.read_text().replace("TimeoutStopSec=15", "TimeoutStopSec=16"))
        said = (await manager.install("--now")).err
        second = await unmanaged.get()
        status = await manager.mayfly("status")

    assert first.body == second.body
    assert 1 == len(manager.events("session.recalled"))
    assert 1 == len(unmanaged.vault.calls())
    assert "mayfly.service, of mayfly" in said
    assert "forgets its sessions" not in said
    assert "units are of mayfly" not in status.out


async def test_the_old_daemon_needs_nothing_of_the_old_package(unmanaged: SystemdWorld) -> None:
    """Once it has started, a package that is taken away costs neither its first status nor its credentials."""
    python, package = installed(unmanaged.folder / "venv")
    async with unmanaged.log_in(ROOT, python) as manager:
        await manager.install("--now")
        first = await unmanaged.get()
        shutil.rmtree(package)
        status = await manager.run(sys.executable, "-I", "-m", "mayfly", "status")
        second = await unmanaged.get()

    assert (0, "") == (status.code, status.err)
    assert re.search(r"^nsrc +fresh ", status.out)
    assert (200, first.body) == (second.status, second.body)
