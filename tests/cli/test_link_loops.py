"""A link to itself in the place of a folder: one line says so, as of a file that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.world import World


LOOP = "Too many levels of symbolic links"


def loop_in(folder: Path) -> Path:
    loop = folder / "loop"
    loop.symlink_to(loop.name)
    return loop


@pytest.mark.parametrize("command", ["status", "login", "reload", "credential-process nsrc"])
async def test_a_runtime_folder_that_leads_to_itself_is_told(world: World, command: str) -> None:
    """With its path, and with no traceback."""
    loop = loop_in(world.home)
    ended = await world.run(*command.split(), env={"MAYFLY_RUNTIME_DIR": str(loop)})

    line = f"mayfly: error: {loop}/control.sock: cannot be connected to: {LOOP}"
    assert (2, line) == (ended.code, ended.err.splitlines()[0])
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["init --yes --item op://NSRC/x", "install --dry-run"])
async def test_a_home_that_leads_to_itself_is_no_traceback(world: World, command: str) -> None:
    """`init` says that no config can be there."""
    loop = loop_in(world.folder)
    ended = await world.run(*command.split(), env={"HOME": str(loop), "MAYFLY_CONFIG": ""})

    assert "Traceback" not in ended.err
    if command.startswith("init"):
        error, hint = ended.err.splitlines()
        assert error.startswith(f"mayfly: error: {loop}: is no folder, and ")
        assert hint.startswith("mayfly: hint: choose another place: export MAYFLY_CONFIG=")
