"""`mayfly reload` and `mayfly rotate`, and a control socket and port that are inherited without a manager."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys

import pytest

from support.world import SEED_TOML, World


async def test_reload_without_a_daemon_is_told(world: World) -> None:
    """Where no daemon runs, `reload` ends with 3."""
    ended = await world.run("reload")

    assert 3 == ended.code
    assert "mayfly: error: the daemon does not run" in ended.err


async def test_a_rotated_token_locks_the_old_one_out(world: World) -> None:
    """After `rotate`, the running daemon knows the new token, and no longer the old one."""
    async with world.serve():
        old = world.token()
        ended = await world.run("rotate", "nsrc")
        refused, served = await world.get(token=old), await world.get()

    assert 0 == ended.code
    assert old != world.token()
    assert (401, 200) == (refused.status, served.status)


async def test_a_daemon_out_of_reach_has_the_old_token(world: World) -> None:
    """Its control socket was removed, so nobody can tell it: `rotate` warns, and a client with the new token tells."""
    async with world.serve() as daemon:
        old = world.token()
        (world.run_dir / "control.sock").unlink()
        ended = await world.run("rotate", "nsrc")
        still = await world.get(token=old)
        served, refused = await world.get(), await world.get(token=old)
    without = await world.run("rotate", "nsrc")

    assert (0, 0) == (ended.code, without.code)
    assert f"port {world.port} is taken by " in ended.err
    assert f"(pid {daemon.pid})" in ended.err
    assert [200, 200, 401] == [still.status, served.status, refused.status]
    assert "taken by" not in without.err


async def test_a_token_that_was_lost_and_made_anew_counts(world: World) -> None:
    """Who needs it first makes it, and the daemon that has the old one looks again before it turns somebody away."""
    async with world.serve():
        lost = world.token()
        shutil.rmtree(world.run_dir / "tokens")
        assert 0 == (await world.run("env", "nsrc")).code
        at_once = await asyncio.gather(*(world.get() for _ in range(5)))
        with_lost = await world.get(token=lost)

    assert lost != world.token()
    assert ({200}, 401) == ({reply.status for reply in at_once}, with_lost.status)


@pytest.mark.parametrize("wrong", ["an unknown key", "no TOML", "another's loose token"])
async def test_a_fault_elsewhere_does_not_stop_a_token_from_being_rotated(world: World, wrong: str) -> None:
    """A config that cannot be taken over, or another profile's bad token, keeps no old token alive."""
    good = SEED_TOML + SEED_TOML.replace("nsrc]", "other]")
    world.write_toml(good)
    async with world.serve() as daemon:
        assert 200 == (await world.get()).status
        old, others = world.token(), world.token("other")
        if wrong == "another's loose token":
            (world.run_dir / "tokens/other").chmod(0o644)
        else:
            world.write_toml(good + ("colour = 1\n" if wrong == "an unknown key" else "]\n"))
        ended = await world.run("rotate", "nsrc")
        refused, served = await world.get(token=old), await world.get()
        other = await world.get("/credentials/other", token=others)
        told = daemon.events("token.refused")

    assert 0 == ended.code, ended.err
    assert (401, 200) == (refused.status, served.status)
    # A token that others may have read opens nothing.
    is_loose = wrong == "another's loose token"
    assert (401 if is_loose else 200) == other.status
    assert ["other"] * is_loose == [row["profile"] for row in told]
    assert is_loose == ("mayfly: warning: other: " in ended.err)


async def test_a_reload_of_a_bad_config_takes_the_tokens_over(world: World) -> None:
    """A token that is replaced by hand counts after `reload`, and the old one opens nothing."""
    world.write_toml()
    async with world.serve():
        assert 200 == (await world.get()).status
        old = world.token()
        (world.run_dir / "tokens/nsrc").write_text("n" * 43)
        world.write_toml(SEED_TOML + "colour = 1\n")
        ended = await world.run("reload")
        refused, served = await world.get(token=old), await world.get()

    assert (2, 401, 200) == (ended.code, refused.status, served.status)


async def test_rotating_replaces_what_is_no_token(world: World) -> None:
    """A loose file, a link or a FIFO in the token's place is no reason to keep the old token."""
    await world.run("env", "nsrc")
    path = world.run_dir / "tokens/nsrc"
    path.chmod(0o644)
    assert 0 == (await world.run("rotate")).code
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert 0 == (await world.run("rotate")).code
    path.unlink()
    os.mkfifo(path, 0o600)
    assert 0 == (await world.run("rotate")).code

    assert 0o100600 == path.lstat().st_mode


async def test_a_rotation_that_fails_is_told(world: World) -> None:
    """What could not be replaced is named, and the exit code says so; the others are new."""
    world.write_toml(SEED_TOML + SEED_TOML.replace("nsrc]", "other]"))
    async with world.serve():
        old, path = world.token("other"), world.run_dir / "tokens/nsrc"
        path.unlink()
        path.mkdir()
        (path / "x").touch()
        ended = await world.run("rotate")

    assert 1 == ended.code
    assert "mayfly: error: nsrc: " in ended.err
    assert old != world.token("other")


NO_ROOM = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-m", "mayfly")


async def test_where_there_is_no_room_for_a_token_nothing_is_left_behind(world: World) -> None:
    """A full runtime folder is told, fills up no further, and keeps the tokens that it has."""
    unmade = await world.run_program(*NO_ROOM, "env", "nsrc")
    assert (2, "") == (unmade.code, unmade.out)
    assert [] == list((world.run_dir / "tokens").iterdir())

    await world.run("env", "nsrc")
    old = world.token()
    unchanged = await world.run_program(*NO_ROOM, "rotate")
    assert (1, "") == (unchanged.code, unchanged.out)
    assert unchanged.err.startswith("mayfly: error: nsrc: ")
    assert "shells" not in unchanged.err
    assert (["nsrc"], old) == ([path.name for path in (world.run_dir / "tokens").iterdir()], world.token())


async def test_rotating_needs_no_daemon_but_a_profile(world: World) -> None:
    """Without a daemon the token is made anew all the same; a profile that is not there is told, with the nearest."""
    made = await world.run("rotate")
    wrong = await world.run("rotate", "nsrk")

    assert (0, 2) == (made.code, wrong.code)
    assert "nsrc: new token in " in made.out
    assert "did you mean nsrc?" in wrong.err
