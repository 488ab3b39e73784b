"""A locked screen, by the real programs: who is refused what, and what the first unlock of a day brings."""

from __future__ import annotations

import asyncio
import json
import sys

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mayfly.demo.sts.server import EmbeddedSts
from support.clients import CLIENTS
from support.desks import Screen, put_program
from support.exchange import Clock
from support.nursery import MAYFLY
from support.raw import dial_unix
from support.world import PATIENCE_SECONDS, SEED_TOML, Ended, World


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="loginctl is Linux's")

HOUSE = "".join(
    f"{SEED_TOML.replace('nsrc]', f'{name}]')}duration_seconds = {seconds}\n{more}\n"
    for name, seconds, more in (
        ("kept", 28_800, ""),
        ("held", 28_801, 'on_lock = "withhold"'),
        ("gone", 28_802, 'on_lock = "forget"'),
    )
)

NO_FILE = "credentials.json: No such file or directory"


@pytest.fixture(name="world")
async def _world(tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    """A world whose STS is on the test's clock."""
    world = World(tmp_path, MAYFLY)
    async with EmbeddedSts(world.account(), clock=clock) as sts:
        world.sts = sts
        yield world


async def process(world: World, profile: str) -> tuple[int, str]:
    """Status and code of the answer that curl gets for credential_process."""
    return await control(world, f"/process/{profile}")


async def peek(world: World, profile: str) -> tuple[int, str]:
    """Status and code of the answer that `mayfly doctor` gets, which uses a session that is there."""
    return await control(world, f"/peek/{profile}")


async def control(world: World, target: str) -> tuple[int, str]:
    async with dial_unix(world.run_dir / "control.sock") as line:
        line.send(f"GET {target} HTTP/1.1\r\nHost: mayfly\r\nConnection: close\r\n\r\n".encode())
        reply = await line.reply()
    return reply.status, str(json.loads(reply.body).get("code", ""))


async def endpoint(world: World, profile: str, token: str | None = None) -> tuple[int, str]:
    reply = await world.get(f"/credentials/{profile}", token=token)
    return reply.status, str(reply.json.get("code", ""))


async def test_what_a_locked_screen_keeps_back(world: World, clock: Clock) -> None:
    """403 `ScreenLocked` on every way, exit code 4 by the commands, and the log says what was dropped; then the unlock.

    The three profiles have one device, so that each takes a code of its own.
    """
    world.write_toml(HOUSE)
    screen = Screen(world.op.parent)
    async with world.serve(env=clock.rule(world)) as daemon:
        for profile in ("kept", "held", "gone"):
            assert (200, "") == await endpoint(world, profile)
            clock.next_step()
        await asyncio.sleep(1)  # as old as a look may be
        before = await peek(world, "held")
        screen.lock()
        await asyncio.sleep(1)
        found = {
            (way.__name__, profile): await way(world, profile)
            for way in (endpoint, process, peek)
            for profile in ("kept", "held", "gone")
        }
        dropped = await daemon.event("session.forgotten")
        commands = [
            await world.run("credential-process", "held"),
            await world.run("whoami", "held"),
            await world.run("login", "gone", "--through-lock"),
        ]
        sdk = await world.run("exec", "held", "--", "sh", "-c", CLIENTS["boto3"])
        rows: list[dict[str, Any]] = json.loads((await world.run("status", "--json")).out)["profiles"]
        asked = len(world.vault.calls())
        screen.unlock()
        await asyncio.sleep(1)
        after = [await way(world, profile) for way in (peek, endpoint) for profile in ("kept", "held")]

    assert ("gone", "lock") == (dropped["profile"], dropped["cause"])
    assert (200, "") == before
    for (_, profile), reply in found.items():
        assert ((200, "") if profile == "kept" else (403, "ScreenLocked")) == reply
    assert [4, 4, 4] == [ended.code for ended in commands]
    assert "mayfly: error: the screen is locked, and on_lock withholds held until it is unlocked\n" in commands[0].err
    assert "mayfly: hint: unlock the screen and try again\n" in commands[0].err
    assert sdk.code != 0
    assert {"kept": "fresh", "held": "fresh", "gone": "empty"} == {row["profile"]: row["phase"] for row in rows}
    assert ([(200, "")] * 4, 3) == (after, asked)


@pytest.mark.slow
async def test_grants_follow_the_lock(world: World, clock: Clock) -> None:
    """Each way of a grant gives nothing behind it: 403 `ScreenLocked`, or no file. After the unlock all goes on.

    A file comes back by itself; what was forgotten, after the next login.
    """
    world.write_toml(HOUSE)
    screen = Screen(world.op.parent)
    async with world.serve(env=clock.rule(world)) as daemon:
        files = {}
        for profile in ("held", "gone"):
            files[profile] = await made(world, {"profile": profile, "as": "file", "allow_disk": True})
            clock.next_step()
        sockets = [await made(world, {"profile": profile, "as": "socket"}) for profile in files]
        tokens = [await made(world, {"profile": profile}) for profile in files]
        by_env = await world.run("grant", "held", "--as", "env")
        before = [await printed(world, tree) for tree in files.values()]
        screen.lock()
        await daemon.event("grant.withheld", times=2)
        behind = [await printed(world, tree) for tree in files.values()]
        asked = [await on_socket(tree) for tree in sockets]
        asked += [await endpoint(world, tree["profile"], tree["token"]) for tree in tokens]
        refused = await world.run("grant", "held", "--as", "file", "--allow-disk", "--", "true")
        screen.unlock()
        after = [await until_printed(world, files["held"])]
        logins = len(world.vault.calls())
        assert (200, "") == await endpoint(world, "gone")
        after.append(await until_printed(world, files["gone"]))

    assert [(1, "", True)] * 2 == [(ended.code, ended.out, NO_FILE in ended.err) for ended in behind]
    assert [(403, "ScreenLocked")] * 4 == asked
    assert (4, True) == (refused.code, "the screen is locked, and on_lock withholds held" in refused.err)
    assert 'mayfly: warning: on_lock = "withhold" cannot take them back either' in by_env.err
    assert (2, before[0].out) == (logins, after[0].out)
    assert 1 == json.loads(after[1].out)["Version"]
    assert before[1].out != after[1].out


async def made(world: World, wanted: dict[str, Any]) -> dict[str, Any]:
    """A grant, as the control socket tells it."""
    body = json.dumps(wanted)
    head = f"POST /grants HTTP/1.1\r\nHost: mayfly\r\nConnection: close\r\nContent-Length: {len(body)}"
    async with dial_unix(world.run_dir / "control.sock") as line:
        line.send(f"{head}\r\n\r\n{body}".encode())
        reply = await line.reply()
    assert reply.status == 200, reply
    return dict(reply.json)


async def on_socket(grant: dict[str, Any]) -> tuple[int, str]:
    """Status and code of the answer on a grant's own socket."""
    head = f"GET /credentials/{grant['profile']} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {grant['token']}"
    async with dial_unix(Path(grant["socket"])) as line:
        line.send(f"{head}\r\nConnection: close\r\n\r\n".encode())
        reply = await line.reply()
    return reply.status, str(reply.json.get("code", ""))


async def printed(world: World, grant: dict[str, Any]) -> Ended:
    """What an SDK runs for a grant by file."""
    get = 'sh -c "$(sed -n "s/^credential_process = //p" "$AWS_CONFIG_FILE")"'
    return await world.run_program("sh", "-c", get, env={"AWS_CONFIG_FILE": grant["config_file"]})


async def until_printed(world: World, grant: dict[str, Any]) -> Ended:
    """The same, as soon as there is something."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (ended := await printed(world, grant)).code:
            await asyncio.sleep(0.1)
    return ended


async def test_a_desk_that_cannot_tell_counts_as_unlocked(world: World) -> None:
    """Without logind, and with one that fails, the credentials are there for all."""
    world.write_toml(HOUSE.replace('on_lock = "withhold"', 'on_lock = "forget"'))
    put_program(world.op.parent, "loginctl", "exit 1")
    async with world.serve():
        first = await endpoint(world, "held")
        again = [await endpoint(world, "held"), await process(world, "held")]

    assert [(200, "")] * 3 == [first, *again]


async def test_the_first_unlock_of_a_day_renews_what_would_end_in_it(world: World, clock: Clock) -> None:
    """At six the screen is locked, at eight it is opened: the session that ends at noon is asked for anew, once."""
    world.write_toml(f"{SEED_TOML}duration_seconds = 86400\ntop_up = true\n")
    screen = Screen(world.op.parent)
    env = clock.rule(world)
    async with world.serve(env=env) as daemon:
        assert 200 == (await world.get()).status
        await at_the_desk(world, clock)
        screen.lock()
        clock.jump(14 * 3600)
        await at_the_desk(world, clock)
        behind = len(world.vault.calls())
        screen.unlock()
        await at_the_desk(world, clock)
        renewed = await daemon.event("session.refreshed", times=2)
        screen.lock()
        await at_the_desk(world, clock)
        screen.unlock()
        await at_the_desk(world, clock)

    assert (1, 2) == (behind, len(world.vault.calls()))
    assert renewed["expires_in_seconds"] > 86_000


async def at_the_desk(world: World, clock: Clock) -> None:
    """Half a minute passes, and the daemon looks at the screen; another half, if it was looking in that moment."""
    calls = world.op.parent / "loginctl.calls"
    before = calls.read_text().count("show-session") if calls.exists() else 0
    async with asyncio.timeout(30):
        while not calls.exists() or calls.read_text().count("show-session") == before:
            clock.jump(31)
            await world.get("/healthz", token="")
            await asyncio.sleep(0.5)
