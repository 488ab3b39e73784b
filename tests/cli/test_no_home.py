"""A user without a home: no HOME, and no line in the password database, as in a container that runs as any number."""

from __future__ import annotations

import os

from pathlib import Path

import pytest

from support.others import AS_ME, ME, PACKAGE, by_root, python
from support.world import SEED_TOML, Ended, World


pytestmark = by_root

NO_HOME = "your user has no home here: export HOME=/a/folder/of/yours\n"


@pytest.fixture(name="place")
def _place(open_folder: Path) -> Path:
    """ME's folder, with a config and a runtime folder."""
    place = open_folder / "mine"
    for folder in (place, place / "run"):
        folder.mkdir(mode=0o700)
    (place / "config.toml").write_text(SEED_TOML)
    for path in (place, *place.iterdir()):
        os.chown(path, ME, ME)
    return place


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def homeless(world: World, *argv: str, **env: str) -> Ended:
    return await world.run_program(
        "env",
        "-i",
        *(f"{key}={value}" for key, value in {**PACKAGE, **env}.items()),
        *AS_ME,
        python(),
        "-P",
        "-m",
        "mayfly",
        *argv,
    )


@pytest.mark.parametrize("argv", ["status", "env", "install --dry-run", "uninstall", "import-aws-config"])
async def test_a_command_that_needs_a_home_says_how_to_have_one(world: World, argv: str) -> None:
    """One line, with the command, and no traceback."""
    ended = await homeless(world, *argv.split())

    assert (2, "") == (ended.code, ended.out)
    assert ended.err.startswith("mayfly: error: ~")
    assert ended.err.endswith(NO_HOME)
    assert 1 == len(ended.err.splitlines())


async def test_places_that_are_named_need_no_home(world: World, place: Path) -> None:
    """`status` says that no daemon runs; no file goes into a folder called ~."""
    env = {"MAYFLY_CONFIG": str(place / "config.toml"), "MAYFLY_RUNTIME_DIR": str(place / "run")}
    status = await homeless(world, "status", **env)
    here = f"cd {place} && exec {python()} -P -m mayfly aws-config --write"
    named = [f"{key}={value}" for key, value in {**PACKAGE, **env}.items()]
    written = await world.run_program("env", "-i", *named, *AS_ME, "sh", "-c", here)

    assert (3, "mayfly: error: the daemon does not run") == (status.code, status.err.splitlines()[0])
    assert (2, f"mayfly: error: ~/.aws/config: {NO_HOME}") == (written.code, written.err)
    assert {"config.toml", "run"} == set(names_in(place))
