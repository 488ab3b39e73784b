"""A person's login behind a locked screen: refused, unless it is to come through, for that one request."""

from __future__ import annotations

import asyncio
import fcntl
import json

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mayfly.daemon.control import THROUGH_LOCK
from support.desks import put_program
from support.raw import dial_unix
from support.world import SEED_TOML, World


OTHER = SEED_TOML.replace("nsrc]", "other]") + "duration_seconds = 7200\n"
UNLOCKED = 'case "$1" in show-user) echo 7;; show-session) printf "LockedHint=no\\nIdleHint=no\\n";; esac'
LOCKED = 'case "$1" in show-user) echo 7;; show-session) printf "LockedHint=yes\\nIdleHint=no\\n";; esac'


def asked(body: bytes) -> bytes:
    head = f"POST /profiles/nsrc/login HTTP/1.1\r\nHost: mayfly\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def login(world: World, body: bytes) -> tuple[int, str]:
    """Status and code of a login on the control socket."""
    async with dial_unix(world.run_dir / "control.sock") as line:
        line.send(asked(body))
        reply = await line.reply()
    return reply.status, json.loads(reply.body).get("code", "")


async def test_a_login_obeys_the_lock(world: World) -> None:
    """By the control socket 403 `ScreenLocked`, by the command exit code 4; nobody is asked."""
    put_program(world.op.parent, "loginctl", LOCKED)
    async with world.serve():
        refused = [await login(world, body) for body in (b"", b"{}", b'{"through_lock": false}')]
        ended = await world.run("login", "nsrc")

    assert 3 * [(403, "ScreenLocked")] == refused
    assert 4 == ended.code
    assert "mayfly: error: nsrc: the screen is locked" in ended.err
    assert [] == world.vault.calls()


async def test_through_lock_counts_for_one_request(world: World) -> None:
    """The login is announced and comes through; the next client's prompt, or login, does not."""
    world.write_toml(SEED_TOML + OTHER)
    world.vault.update(prompt={"delay_s": 0.5})
    put_program(world.op.parent, "loginctl", LOCKED)
    async with world.serve():
        ended = await world.run("login", "--through-lock", "nsrc")
        client = await world.get("/credentials/other")
        again = await login(world, b"")
        served = await world.get()

    assert (0, "nsrc: fresh") == (ended.code, ended.out[:11]), ended.err
    assert "approve the prompt for nsrc, even if the screen is locked\n" in ended.err
    assert (403, "ScreenLocked") == (client.status, client.json["code"])
    assert (403, "ScreenLocked") == again
    assert (200, 1) == (served.status, len(world.vault.calls()))


@pytest.mark.parametrize("half_closes_first", [False, True])
async def test_through_lock_ends_with_its_client(world: World, half_closes_first: bool) -> None:
    """A client that goes while its login is queued takes its leave to prompt with it: nobody is asked for it."""
    world.write_toml(SEED_TOML + OTHER)
    world.vault.update(prompt={"delay_s": 1})
    put_program(world.op.parent, "loginctl", LOCKED)
    async with world.serve() as daemon:
        first = asyncio.create_task(world.run("login", "--through-lock", "other"))
        async with asyncio.timeout(30):
            while not daemon.events("exchange.started"):
                await asyncio.sleep(0.01)
        async with dial_unix(world.run_dir / "control.sock") as line:
            line.send(asked(THROUGH_LOCK.encode()))
            if half_closes_first:
                line.writer.write_eof()
            await asyncio.sleep(0.2)
        assert 0 == (await first).code
        client = await world.get()

    assert (403, "ScreenLocked") == (client.status, client.json.get("code"))
    assert 1 == len(world.vault.calls())


@contextmanager
def held(world: World) -> Iterator[None]:
    """Hold op.lock, so that an exchange that has been asked cannot run `op` yet."""
    world.run_dir.mkdir(mode=0o700, exist_ok=True)
    with (world.run_dir / "op.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("through_lock", [True, False])
async def test_a_login_that_is_given_up_in_its_exchange_asks_nobody(world: World, through_lock: bool) -> None:
    """Its client goes after the exchange was asked and before `op` runs: nobody is prompted behind the lock for it."""
    put_program(world.op.parent, "loginctl", LOCKED if through_lock else UNLOCKED)
    async with world.serve() as daemon:
        with held(world):
            async with dial_unix(world.run_dir / "control.sock") as line:
                line.send(asked(json.dumps({"through_lock": through_lock}).encode()))
                await daemon.stage("turn")
                put_program(world.op.parent, "loginctl", LOCKED)
            before = await world.run("status")
        withheld = await daemon.event("login.withheld")
        client = await world.get()
        put_program(world.op.parent, "loginctl", UNLOCKED)
        await asyncio.sleep(1.1)
        served = await world.get()

    assert "waiting for another login to end" in before.out
    assert ("nsrc", []) == (withheld["profile"], daemon.events("session.refresh_failed"))
    assert (403, "ScreenLocked") == (client.status, client.json.get("code"))
    assert (200, 1) == (served.status, len(world.vault.calls()))
