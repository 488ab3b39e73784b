"""Commands of root under `sudo`, with the daemon of the user who called it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.nobodys_daemon import NOBODY, as_root, on_linux, served_by_nobody
from support.world import Ended, World


def facts(folder: Path) -> list[tuple[str, int, int, int]]:
    return sorted(
        (str(path), entry.st_uid, entry.st_mode, entry.st_mtime_ns)
        for path in [folder, *folder.rglob("*")]
        for entry in [path.lstat()]
    )


async def asked(world: World, sudo_uid: str | None, *names: str) -> list[Ended]:
    env = {"MAYFLY_CONFIG": str(world.config)} | ({"SUDO_UID": sudo_uid} if sudo_uid else {})
    words = {"exec": ["exec", "nsrc", "--", "sh", "-c", "cat $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE >/dev/null"]}
    return [await world.run(*words.get(name, [name]), env=env) for name in names]


@as_root
@on_linux
async def test_commands_work_with_the_callers_daemon(world: World, open_folder: Path) -> None:
    """With `allow_root` root's status, env and exec are answered; nothing in the caller's folder changes."""
    async with served_by_nobody(world, open_folder / "home", allow_root=True):
        before = facts(world.run_dir)
        ended = await asked(world, str(NOBODY), "status", "env", "exec", "forget")
        after = facts(world.run_dir)

    assert [] == [end.err for end in ended if end.code]
    assert before == after


@as_root
@on_linux
async def test_the_commands_about_a_session_reach_it_too(world: World, open_folder: Path) -> None:
    """`prompt` and `console` find the caller's folder; `init` writes no config of root's into the caller's home."""
    async with served_by_nobody(world, open_folder / "home", allow_root=True):
        before = facts(open_folder)
        folder = await world.run("prompt", "--folder", env={"SUDO_UID": str(NOBODY)})
        prompt = await world.run("prompt", "nsrc", env={"SUDO_UID": str(NOBODY)})
        console = await world.run("console", "nsrc", env={"SUDO_UID": str(NOBODY)})
        init = await world.run("init", "--yes", env={"SUDO_UID": str(NOBODY)})
        after = facts(open_folder)

    assert (f"{world.run_dir}/prompt\n", "nsrc -\n") == (folder.out, prompt.out)
    assert (2, True) == (console.code, "nsrc has a session of GetSessionToken" in console.err)
    assert (2, before) == (init.code, after)
    assert [
        f"mayfly: error: {world.home} belongs to nobody: chown it, or move the file",
        "mayfly: hint: run it as nobody, without sudo",
    ] == init.err.splitlines()


@as_root
@on_linux
async def test_rotate_is_left_to_the_caller(world: World, open_folder: Path) -> None:
    """Root neither makes nor replaces a token of another user, and says whose command it is."""
    async with served_by_nobody(world, open_folder / "home", allow_root=True):
        before = facts(world.run_dir)
        (ended,) = await asked(world, str(NOBODY), "rotate")
        after = facts(world.run_dir)

    assert (1, before) == (ended.code, after)
    assert "run 'mayfly rotate' as nobody, without sudo" in ended.err


@as_root
@on_linux
async def test_a_purge_is_left_to_the_caller(world: World, open_folder: Path) -> None:
    """Root removes neither the tokens nor the sockets of another user, whose daemon may run."""
    async with served_by_nobody(world, open_folder / "home", allow_root=True):
        before = facts(open_folder)
        ended = await world.run("uninstall", "--purge", env={"SUDO_UID": str(NOBODY)})
        after = facts(open_folder)

    assert (1, before) == (ended.code, after)
    assert [
        f"mayfly: error: {world.run_dir} belongs to nobody: nothing was removed",
        "mayfly: hint: run it as nobody, without sudo: mayfly uninstall --purge",
    ] == ended.err.splitlines()


@as_root
@on_linux
@pytest.mark.parametrize("sudo_uid", [None, "65533", "0", "x", "²"])
async def test_nobody_elses_folder_is_accepted(world: World, open_folder: Path, sudo_uid: str | None) -> None:
    """Only the user who called sudo: a folder of any other user is refused, as without sudo."""
    async with served_by_nobody(world, open_folder / "home", allow_root=True):
        ended = await asked(world, sudo_uid, "status", "env")

    assert [2, 1] == [end.code for end in ended]
    assert f"{open_folder}/home belongs to nobody" in ended[0].err
    assert f"port {world.port} belongs to nobody" in ended[1].err


@as_root
@on_linux
async def test_the_refusal_names_allow_root(world: World, open_folder: Path) -> None:
    """Without it root is refused by the daemon, with the setting that would let it in."""
    async with served_by_nobody(world, open_folder / "home", allow_root=False):
        (ended,) = await asked(world, str(NOBODY), "status")

    assert 0 != ended.code
    assert "allow_root = true" in ended.err
