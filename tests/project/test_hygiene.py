"""Where the secrets are not: argv, environments, files, logs, and the memory of what lives for long."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys

from pathlib import Path

import pytest

from mayfly.demo import process_memory
from mayfly.demo.sts.server import EmbeddedSts, Role
from support.world import SEED_ACCOUNT, SEED_TOML, World


NOBODY = 65534
ROLE = f"""
[profiles.admin]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"
"""
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root: looks into another process, or is another user")


def long_lived(world: World) -> set[str]:
    return {world.vault.secret_access_key, world.vault.access_key_id, world.vault.totp_seed}


@as_root
async def test_the_daemon_never_holds_a_permanent_key(world: World) -> None:
    """After a login, while it serves, the daemon's memory has the session's key and nothing of the permanent one."""
    async with world.serve(from_scratch=True) as daemon:
        session = (await world.get()).json
        seen = process_memory.search(daemon.pid, {session["SecretAccessKey"], *long_lived(world)})

    assert seen is not None
    assert {session["SecretAccessKey"]} == seen.found


@as_root
async def test_the_daemon_knows_tokens_by_their_hash(world: World) -> None:
    """Tokens that no client has sent are nowhere in its memory: not its own, nor those that it has read."""
    world.write_toml("".join(SEED_TOML.replace("nsrc]", f"p{number}]") for number in range(40)))
    names = [f"p{number}" for number in range(40)]
    async with world.serve(from_scratch=True) as daemon:
        made = {world.token(name) for name in names}
        assert 0 == (await world.run("rotate", *names)).code
        read = {world.token(name) for name in names}
        assert 200 == (await world.get("/credentials/p0")).status
        seen = process_memory.search(daemon.pid, made | read - {world.token("p0")})

    assert (80, set()) == (len(made | read), seen and seen.found)


async def test_no_secret_is_on_a_command_line_or_in_an_environment(world: World) -> None:
    """Of the daemon, of the exchanges for a login and for a role, of op: at any time; nor in a file that is left."""
    world.write_toml(SEED_TOML + ROLE)
    temporary = world.folder / "tmp"
    temporary.mkdir()
    world.vault.update(prompt={"answer": "ignore"})
    async with EmbeddedSts(world.account(Role(name="Admin"))) as world.sts:
        async with world.serve(from_scratch=True, env={"TMPDIR": str(temporary)}) as daemon:
            watched = Watched(daemon.pid)
            watching = asyncio.create_task(watched.watch())
            login = asyncio.create_task(world.run("login", "nsrc"))
            await watched.saw("inject")
            world.vault.update(prompt={"answer": "approve"})
            await login
            base = (await world.get()).json
            # What a role's own exchange shows: it has no op to wait for, and so is held up at STS.
            world.sts.faults.then("hang")
            asking = asyncio.create_task(world.get("/credentials/admin"))
            await watched.saw("mayfly.exchange", times=2)
            while world.sts.calls_of("AssumeRole") < 1:
                await asyncio.sleep(0.02)
            watching.cancel()
            asking.cancel()
            await asyncio.gather(watching, asking, return_exceptions=True)
        places = (world.run_dir, world.home, temporary)
        kept = b"".join(path.read_bytes() for place in places for path in place.rglob("*") if path.is_file())

    shown = b"".join(watched.shown)
    secrets = {*long_lived(world), base["SecretAccessKey"], base["Token"]}
    assert 1 == len(world.vault.calls())
    assert set() == {secret for secret in secrets if secret.encode() in shown}
    assert set() == {secret for secret in secrets if secret.encode() in kept or secret in daemon.log_text}


class Watched:
    """What a process and all below it show of themselves, from one moment to the next."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: dict[int, bytes] = {}
        self.shown: set[bytes] = set()

    async def watch(self) -> None:
        while True:
            for pid in (self._pid, *descendants(self._pid)):
                shown = shown_by(pid)
                self.shown.add(shown)
                self._seen[pid] = self._seen.get(pid, b"") + shown
            await asyncio.sleep(0.01)

    async def saw(self, word: str, times: int = 1) -> None:
        """As soon as so many processes had this on their command line."""
        async with asyncio.timeout(30):
            while sum(word.encode() in shown for shown in self._seen.values()) < times:
                await asyncio.sleep(0.01)


async def test_the_daemon_dumps_no_core(world: World) -> None:
    """The limit for core files is 0, hard and soft."""
    async with world.serve(from_scratch=True) as daemon:
        limits = Path(f"/proc/{daemon.pid}/limits").read_text()  # noqa: ASYNC240 - /proc does not block

    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert ["0", "0"] == line.split()[4:6]


# Root may read everything; without its capabilities it is a user like others.
NO_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.getuid() == 0 else ()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv, of util-linux")
async def test_the_daemon_is_closed_to_others_of_its_user(world: World) -> None:
    """Another process of the same user reads neither its memory nor what it was started with."""
    ordinary = await asyncio.create_subprocess_exec(*NO_RIGHTS, "sleep", "60")
    async with world.serve(prefix=NO_RIGHTS or ("env",)) as daemon:
        open_to_us = [await is_open(pid, name) for pid in (ordinary.pid, daemon.pid) for name in ("mem", "environ")]
        facts = Path(f"/proc/{daemon.pid}/status").read_text()  # noqa: ASYNC240 - /proc does not block
    ordinary.kill()
    await ordinary.wait()

    assert "Umask:\t0077" in facts
    assert [True, True, False, False] == open_to_us


async def is_open(pid: int, name: str) -> bool:
    """Whether another process of the same user can open that of `pid`."""
    opener = await asyncio.create_subprocess_exec(
        *(*NO_RIGHTS, "sh", "-c", 'exec < "$1"', "sh", f"/proc/{pid}/{name}"), stderr=asyncio.subprocess.DEVNULL
    )
    return await opener.wait() == 0


@as_root
async def test_a_port_that_a_stranger_holds_costs_the_tokens(world: World) -> None:
    """The daemon names whose it is, makes all tokens new, and ends with 1."""
    before = (await world.run("env", "nsrc", "--shell", "json")).out
    old = world.token()
    with stranger_on(world.port):
        ended = await world.run("serve")

    assert 1 == ended.code
    assert "nobody" in ended.err
    assert "all tokens are new" in ended.err
    assert old in before
    assert old != world.token()


class stranger_on:  # noqa: N801 - reads as a sentence
    """Another user's process that listens on a port."""

    def __init__(self, port: int) -> None:
        code = (
            f"import os, socket; os.setgroups([]); os.setuid({NOBODY}); "
            f"s = socket.create_server(('127.0.0.1', {port})); print(flush=True); s.accept()"
        )
        self._process = subprocess.Popen(["/usr/bin/python3", "-c", code], stdout=subprocess.PIPE)

    def __enter__(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def shown_by(pid: int) -> bytes:
    """What any process of the user could read of another."""
    shown = b""
    for name in ("cmdline", "environ"):
        try:
            shown += Path(f"/proc/{pid}/{name}").read_bytes()
        except OSError:
            continue
    return shown


def descendants(pid: int) -> list[int]:
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [below for child in map(int, listed) for below in (child, *descendants(child))]
