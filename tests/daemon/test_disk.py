"""A config or a token that is no plain file any more, or a disk that does not answer, stops nobody."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

import pytest

from support.exchange import program
from support.world import SEED_TOML, World


QUICKLY_SECONDS = 8


def become(world: World, kind: str) -> None:
    """Something else stands in the config's place."""
    world.config.unlink()
    if kind == "pipe":
        os.mkfifo(world.config)
    elif kind == "folder":
        world.config.mkdir()
    elif kind == "device":
        world.config.symlink_to("/dev/zero")
    else:
        world.config.write_bytes(b"#" * (1024 * 1024 + 1))


REFUSALS = {
    "pipe": "is a pipe: the config must be a plain file",
    "folder": "cannot be read: Is a directory",
    "device": "is a device: the config must be a plain file",
    "huge file": "is larger than 1048576 bytes",
}


@pytest.mark.parametrize("kind", REFUSALS)
async def test_a_config_that_cannot_be_read_keeps_no_old_token_alive(world: World, kind: str) -> None:
    """`reload` says what stands there, `rotate` locks the old token out, `status` and clients are answered."""
    world.write_toml()
    async with world.serve() as daemon:
        assert 200 == (await world.get()).status
        old = world.token()
        become(world, kind)
        async with asyncio.timeout(3 * QUICKLY_SECONDS):
            reloaded = await world.run("reload")
            rotated = await world.run("rotate", "nsrc")
            refused, served = await world.get(token=old), await world.get()
            status = await world.run("status", "--json")
            began = time.monotonic()
            code = await daemon.end()

    assert (2, 0, 401, 200) == (reloaded.code, rotated.code, refused.status, served.status), rotated.err
    assert f"mayfly: error: {world.config}: {REFUSALS[kind]}" in reloaded.err
    assert f"{world.config} has changed since it was read: 'mayfly reload'" in json.loads(status.out)["notes"][0]
    assert 0 == code
    assert time.monotonic() - began < QUICKLY_SECONDS


@pytest.mark.parametrize("command", [("serve",), ("env",), ("aws-config",), ("exec", "nsrc"), ("credential-process",)])
async def test_a_config_by_process_substitution_is_refused_in_a_line(world: World, command: tuple[str, ...]) -> None:
    """`--config <(…)` is a pipe that can be read once, and an exchange reads the config again."""
    name, *rest = command
    more = ["--", "true"] if name == "exec" else ["nsrc"] if name == "credential-process" else []
    argv = " ".join((name, *rest, "--config", f"<(cat {world.config})", *more))

    ended = await world.run_program("bash", "-c", f'exec "$0" -m mayfly {argv}', sys.executable)

    lines = [line for line in ended.err.splitlines() if "error" in line]
    assert (2, "") == (ended.code, ended.out)
    assert [True] == [line.endswith(": is a pipe: the config must be a plain file") for line in lines], ended.err


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
async def test_a_token_that_is_no_plain_file_hangs_nobody(world: World, kind: str) -> None:
    """The other profiles are served, and a reload says what is wrong with this one."""
    world.write_toml(SEED_TOML + SEED_TOML.replace("nsrc]", "other]"))
    async with world.serve() as daemon:
        path = world.run_dir / "tokens/nsrc"
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path, 0o600)
        elif kind == "folder":
            path.mkdir(mode=0o700)
        else:
            path.symlink_to("/dev/zero")
        async with asyncio.timeout(3 * QUICKLY_SECONDS):
            reloaded = await world.run("reload")
            served = await world.get("/credentials/other")

    assert (2, 200) == (reloaded.code, served.status)
    assert str(path) in reloaded.err
    assert ["nsrc"] == [row["profile"] for row in daemon.events("token.refused")]


@pytest.mark.parametrize("kind", ["pipe", "device", "huge file"])
async def test_a_service_accounts_token_that_is_no_plain_file_is_refused(world: World, kind: str) -> None:
    """`token_file` is read up to a limit, and never waited for."""
    path = world.home / "token"
    if kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"x" * 10_000_000)
        path.chmod(0o600)
    world.write_toml(f'[onepassword]\ntoken_file = "{path}"\n' + SEED_TOML)
    async with world.serve(), asyncio.timeout(QUICKLY_SECONDS):
        reply = await world.get()

    assert (400, "ConfigInvalid") == (reply.status, reply.json["code"])
    assert str(path) in reply.json["message"]


HANGING = """
import builtins, os, sys, threading, time
real = os.open
def slow(path, *rest, **more):
    if str(path).startswith({slow!r}) and os.path.exists({flag!r}):
        time.sleep(60)
    return real(path, *rest, **more)
os.open = slow
"""


@pytest.mark.slow
async def test_a_disk_that_does_not_answer_stops_nobody(world: World) -> None:
    """As a network home whose server is gone: reads of the config hang in the kernel, O_NONBLOCK or not."""
    flag, site = world.folder / "hang", world.folder / "site"
    program(site / "sitecustomize.py", HANGING.format(slow=str(world.config.parent), flag=str(flag)))
    async with world.serve(env={"PYTHONPATH": str(site)}, from_scratch=True) as daemon:
        assert 200 == (await world.get()).status
        old = world.token()
        flag.touch()
        async with asyncio.timeout(5 * QUICKLY_SECONDS):
            reloading = asyncio.create_task(world.run("reload"))
            await asyncio.sleep(0.5)
            rotated = await world.run("rotate", "nsrc")
            refused, served = await world.get(token=old), await world.get()
            status = await world.run("status", "--json")
            reloaded = await reloading
            began = time.monotonic()
            code = await daemon.end()

    assert (0, 401, 200, 0, 2) == (rotated.code, refused.status, served.status, status.code, reloaded.code)
    assert "mayfly: error: the config cannot be read: the disk has not answered for 4 s" in reloaded.err
    assert f"{world.config} cannot be read: its disk does not answer" in json.loads(status.out)["notes"][0]
    assert 0 == code
    assert time.monotonic() - began < QUICKLY_SECONDS


HANGING_STAT = """
import os, time
real = os.stat
def slow(path, *rest, **more):
    if str(path).startswith({slow!r}) and os.path.lexists({flag!r}):
        time.sleep(60)
    return real(path, *rest, **more)
os.stat = slow
"""


@pytest.mark.slow
async def test_a_dead_disk_below_the_tokens_stops_nobody_who_has_a_token(world: World) -> None:
    """A wrong token is refused in the time that SDKs wait, and again at once; `reload` says what does not answer."""
    flag, site = world.folder / "hang", world.folder / "site"
    program(site / "sitecustomize.py", HANGING_STAT.format(slow=str(world.run_dir / "tokens"), flag=str(flag)))
    async with world.serve(env={"PYTHONPATH": str(site)}, from_scratch=True) as daemon:
        assert 200 == (await world.get()).status
        flag.touch()
        async with asyncio.timeout(2):
            refused = [(await world.get(token="z" * 43)).status for _ in range(2)]
            served = (await world.get()).status
        async with asyncio.timeout(3 * QUICKLY_SECONDS):
            reloaded = await world.run("reload")
            flag.unlink()
            began = time.monotonic()
            code = await daemon.end()

    assert ([401, 401], 200, 2) == (refused, served, reloaded.code)
    assert "mayfly: error: the tokens cannot be read: the disk has not answered for 4 s" in reloaded.err
    assert 0 == code
    assert time.monotonic() - began < QUICKLY_SECONDS
