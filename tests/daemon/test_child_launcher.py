"""The exchange as a child process: how it is started from each kind of installation."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from pathlib import Path

import pytest

import mayfly

from mayfly.shared.interpreter import isolation_flags
from support.world import World


def base_python() -> str:
    """The interpreter outside of any virtual environment, which has a user's site-packages."""
    return str(getattr(sys, "_base_executable", sys.executable))


def install_for_user(home: Path, *, editable: bool) -> None:
    """Put mayfly and all that it needs into the user's site-packages, as `pip install --user` does."""
    asked = "import site; print(site.getusersitepackages())"
    told = subprocess.run([base_python(), "-c", asked], env={"HOME": str(home)}, capture_output=True, check=True)
    folder = Path(told.stdout.decode().strip())
    folder.mkdir(parents=True)
    package = Path(mayfly.__file__).parent
    for path in sys.path:
        for entry in Path(path).glob("*") if path.endswith("site-packages") else ():
            if entry.suffix != ".pth" and entry.name != package.name:
                (folder / entry.name).symlink_to(entry)
    if editable:
        (folder / "mayfly.pth").write_text(f"{package.parent}\n")
    else:
        (folder / "mayfly").symlink_to(package)


@pytest.mark.parametrize("editable", [False, True])
async def test_an_installation_for_the_user_alone_starts_its_exchange(world: World, *, editable: bool) -> None:
    """After `pip install --user` a login works, though an isolated interpreter does not see the user's packages."""
    await asyncio.to_thread(install_for_user, world.home, editable=editable)
    as_base = ("sh", "-c", f'shift; exec {base_python()} "$@"', "sh")
    async with world.serve(prefix=as_base):
        reply = await world.get()

    assert 200 == reply.status, reply.json


def test_in_an_environment_the_exchange_is_isolated() -> None:
    """Nothing of the user's and no PYTHON variable comes in where mayfly does not need it."""
    assert ("-I",) == isolation_flags()
