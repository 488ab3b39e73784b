"""Where the secrets are not: argv, environments, files, logs, and the memory of what lives for long."""

from __future__ import annotations

import asyncio
import os
import subprocess

from pathlib import Path

import pytest

from mayfly.demo import memory
from world import World


NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root: looks into another process, or is another user")


def long_lived(world: World) -> set[str]:
    return {world.vault.secret_access_key, world.vault.access_key_id, world.vault.totp_seed}


@as_root
async def test_the_daemon_never_holds_a_permanent_key(world: World) -> None:
    """After a login, while it serves, the daemon's memory has the session's key and nothing of the permanent one."""
    async with world.serve(from_scratch=True) as daemon:
        session = (await world.get()).json
        seen = memory.search(daemon.pid, {session["SecretAccessKey"], *long_lived(world)})

    assert seen is not None
    assert {session["SecretAccessKey"]} == seen.found


async def test_no_secret_is_on_a_command_line_or_in_an_environment(world: World) -> None:
    """Of the daemon, of its exchange, of op."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve(from_scratch=True) as daemon:
        login = asyncio.create_task(world.run("login", "nsrc"))
        await daemon.event("exchange.started")
        shown = b"".join(shown_by(pid) for pid in [daemon.pid, *descendants(daemon.pid)])
        world.vault.update(prompt={"answer": "approve"})
        await daemon.event("session.refreshed")
        await login
        session = (await world.get()).json
        shown += b"".join(shown_by(pid) for pid in [daemon.pid])
        kept = "".join(path.read_text(errors="replace") for path in world.run_dir.rglob("*") if path.is_file())

    secrets = {*long_lived(world), session["SecretAccessKey"], session["Token"]}
    assert set() == {secret for secret in secrets if secret.encode() in shown}
    assert set() == {secret for secret in secrets if secret in kept or secret in daemon.log_text}


async def test_the_daemon_dumps_no_core(world: World) -> None:
    """The limit for core files is 0, hard and soft."""
    async with world.serve(from_scratch=True) as daemon:
        limits = Path(f"/proc/{daemon.pid}/limits").read_text()  # noqa: ASYNC240 - /proc does not block

    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert ["0", "0"] == line.split()[4:6]


async def test_the_daemon_is_closed_to_others_of_its_user(world: World) -> None:
    """A process that is not dumpable belongs to root, as far as /proc goes."""
    async with world.serve(from_scratch=True) as daemon:
        facts = Path(f"/proc/{daemon.pid}/status").read_text()  # noqa: ASYNC240 - /proc does not block
        mode = Path(f"/proc/{daemon.pid}/environ").stat().st_mode  # noqa: ASYNC240 - the same

    assert "Umask:\t0077" in facts
    assert 0o400 == mode & 0o777


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
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [below for child in map(int, listed) for below in (child, *descendants(child))]
