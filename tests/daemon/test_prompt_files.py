"""The files for shells' prompts: written with the sessions, removed with them, and never in anybody's way."""

from __future__ import annotations

import asyncio
import signal
import stat
import time

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mayfly.daemon.events import Events
from mayfly.daemon.prompt_files import PromptFiles
from mayfly.daemon.tasks import Tasks
from mayfly.demo.sts.server import EmbeddedSts, Role
from support.stage import Log
from support.world import SEED_ACCOUNT, SEED_TOML, World


ROLE = f'[profiles.admin]\nsource_profile = "nsrc"\nrole_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"\n'
PATIENCE_SECONDS = 30


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*")}


def modes(folder: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())]


async def becomes(folder: Path, *names: str) -> dict[str, str]:
    """The files, as soon as just these are there."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while set(files(folder)) != set(names):
            await asyncio.sleep(0.02)
    return files(folder)


@pytest.fixture(name="folder")
def _folder(world: World) -> Path:
    """The folder, with what an earlier daemon has left in it."""
    world.write_toml(SEED_TOML + ROLE)
    folder = world.run_dir / "prompt"
    folder.mkdir(parents=True, mode=0o700)
    world.run_dir.chmod(0o700)
    (folder / "stale").write_text("stale 5\n")
    (folder / ".nsrc.1.ab").write_text("half a li")
    return folder


async def test_the_files_follow_the_sessions(world: World, folder: Path) -> None:
    """From the first login to the daemon's end, over `forget` and a reload."""
    async with EmbeddedSts(world.account(Role(name="Admin"))) as world.sts, world.serve() as daemon:
        await becomes(folder)
        told = {name: (await world.get(f"/credentials/{name}")).json["Expiration"] for name in ("nsrc", "admin")}
        first = await becomes(folder, "nsrc", "admin")
        found = modes(folder)
        await world.run("forget", "admin")
        await becomes(folder, "nsrc")
        await world.get("/credentials/admin")
        await becomes(folder, "nsrc", "admin")
        world.write_toml(SEED_TOML)
        await world.run("reload")
        await becomes(folder, "nsrc")
        await daemon.end()
        ended = files(folder)

    ends = {name: datetime.fromisoformat(text).timestamp() for name, text in told.items()}
    assert {name: f"{name} {end:.0f}\n" for name, end in ends.items()} == first
    assert ([0o700, 0o600, 0o600], {}) == (found, ended)
    assert [] == daemon.events("prompt.failed") + daemon.events("task.failed")


async def test_a_crash_leaves_files_for_the_next_daemon_to_remove(world: World, folder: Path) -> None:
    """Without systemd nothing else was kept: the crashed daemon's session is gone."""
    async with world.serve() as daemon:
        await world.get()
        await becomes(folder, "nsrc")
        await daemon.end(signal.SIGKILL)
    crashed = files(folder)
    async with world.serve():
        await becomes(folder)

    assert {"nsrc"} == set(crashed)


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Kit:
    """The files of a daemon that is a table of ends."""

    def __init__(self, run_dir: Path) -> None:
        self.folder = run_dir / "prompt"
        self.elsewhere = run_dir.with_name("elsewhere")
        self.elsewhere.mkdir(mode=0o700)
        self.ends = {"work": NOON}
        self.log = Log()
        events = Events(self.log)
        self.files = PromptFiles(lambda: self.ends, events, Tasks(events))

    async def write(self) -> None:
        """Write, and wait until it has been tried."""
        self.files.write_soon()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    @property
    def faults(self) -> list[str]:
        return [facts["reason"] for _, event, facts in self.log.lines if event == "prompt.failed"]


@pytest.fixture(name="kit")
def _kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kit:
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir(mode=0o700)
    return Kit(tmp_path / "run")


async def test_only_what_has_changed_is_written(kit: Kit) -> None:
    """A file stays the same one as long as its line does; an end has no fractions."""
    kit.ends = {"work": NOON.replace(microsecond=999_999), "play": NOON}
    await kit.write()
    before = {path.name: path.stat().st_ino for path in kit.folder.iterdir()}
    kit.ends = {"work": NOON, "play": NOON.replace(hour=13)}
    await kit.write()
    after = {path.name: path.stat().st_ino for path in kit.folder.iterdir()}

    assert {"work": f"work {NOON.timestamp():.0f}\n", "play": f"play {NOON.timestamp() + 3600:.0f}\n"} == files(
        kit.folder
    )
    assert [True, False] == [before[name] == after[name] for name in ("work", "play")]


OBSTACLES = {
    "open to others": (lambda folder: folder.mkdir(mode=0o755), "is open to others: chmod 700"),
    "a link": (lambda folder: folder.symlink_to(folder.parents[1] / "elsewhere"), "is a symbolic link: remove it"),
    "a file": (lambda folder: folder.touch(mode=0o600), "Not a directory"),
    "a folder in a file's place": (
        lambda folder: (folder / "work").mkdir(mode=0o700, parents=True) or folder.chmod(0o700),
        "Is a directory",
    ),
    "no runtime folder": (lambda folder: folder.parent.rmdir(), "No such file or directory"),
}


@pytest.mark.parametrize("name", OBSTACLES)
async def test_an_obstacle_is_logged_once_and_overcome(kit: Kit, name: str) -> None:
    """What stands in the way is named; once it is gone, the files are written by the next look."""
    put_up, reason = OBSTACLES[name]
    put_up(kit.folder)
    await kit.write()
    await kit.write()
    remove(kit.folder)
    await kit.write()
    await kit.write()

    assert 1 == len(kit.faults)
    assert reason in kit.faults[0]
    assert str(kit.folder) in kit.faults[0]
    assert ["work"] == list(files(kit.folder))
    assert not list(kit.elsewhere.iterdir())


def remove(path: Path) -> None:
    """Remove the obstacle, and have a runtime folder."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        for below in path.iterdir():
            below.rmdir()
        path.rmdir()


async def test_a_disk_that_hangs_holds_neither_the_daemon_nor_its_end_up(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end waits for half a second, and then leaves the files to the next daemon."""
    monkeypatch.setattr("mayfly.daemon.prompt_files.END_SECONDS", 0.05)
    monkeypatch.setattr("mayfly.daemon.prompt_files._put", lambda *_: time.sleep(0.5))
    kit.files.write_soon()
    kit.files.write_soon()
    writing = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.sleep(0.1)
    await kit.files.end()
    still = [task.done() for task in writing]
    await asyncio.gather(*writing)

    assert [False] == still
    assert [] == kit.faults


async def test_after_the_end_nothing_is_written(kit: Kit) -> None:
    """Also what was about to be written when the end came."""
    await kit.write()
    kit.ends = {"work": NOON, "play": NOON}
    kit.files.write_soon()
    await kit.files.end()
    await kit.write()

    assert {} == files(kit.folder)
    assert [] == kit.faults
