"""A changed config is taken over: what did not change goes on, what is gone is gone at once."""

from __future__ import annotations

import asyncio

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mayfly.demo.sts.server import Role
from support.exchange import program
from support.people import calls_of, counts, early, fetch_all, fetch_together, inhabited, keys, keys_in, role, rows_of
from support.world import PATIENCE_SECONDS, SEED_TOML, Ended, Served, World, free_port


BEFORE = keys("ann") + keys("bob") + role("Admin", "ann") + role("Reader", "bob") + role("Deep", "Admin")
NAMES = ["ann", "bob", "Admin", "Reader", "Deep"]


@asynccontextmanager
async def _served(tmp_path: Path) -> AsyncIterator[tuple[World, Served, dict[str, str]]]:
    """A daemon in which every profile is fresh, and the key that each has."""
    roles = [Role(name=name) for name in ("Admin", "Reader", "Deep", "New")]
    async with inhabited(tmp_path, ["ann", "bob", "cat"], roles) as world:
        world.write_toml(BEFORE)
        async with world.serve() as daemon:
            yield world, daemon, keys_in(await fetch_all(world, NAMES))


async def _reload(world: World, text: str) -> Ended:
    world.write_toml(text)
    return await world.run("reload")


async def _phases(world: World) -> dict[str, str]:
    return {row["profile"]: row["phase"] for row in await rows_of(world)}


async def test_a_change_ends_what_it_changes_and_what_stands_on_that(tmp_path: Path) -> None:
    """The changed role and the role above it are got anew, from the session that is there; the rest goes on."""
    async with _served(tmp_path) as (world, _, before):
        ended = await _reload(world, BEFORE.replace('role/Admin"', 'role/Admin"\nexternal_id = "new"'))
        phases = await _phases(world)
        after = keys_in(await fetch_all(world, NAMES))

    assert 0 == ended.code, ended.err
    assert {"Admin": "empty", "Deep": "empty", "ann": "fresh", "bob": "fresh", "Reader": "fresh"} == phases
    assert {"Admin", "Deep"} == {name for name in NAMES if before[name] != after[name]}
    assert (2, 5) == counts(world)[1:]


@pytest.mark.parametrize("way", ["SIGHUP", "mayfly reload"])
async def test_names_and_modes_are_no_change(tmp_path: Path, way: str) -> None:
    """How a profile is called for people and when it is renewed costs no session; nor does a reload of the same."""
    async with _served(tmp_path) as (world, daemon, before):
        world.write_toml(BEFORE.replace("[profiles.ann]", '[profiles.ann]\nname = "Ann"\nrefresh = "always"'))
        if way == "SIGHUP":
            daemon.process.send_signal(1)
            await daemon.event("config.reloaded")
        else:
            assert 0 == (await world.run("reload")).code
        after = keys_in(await fetch_all(world, NAMES))

    assert before == after
    assert (2, 3) == counts(world)[1:]


async def test_what_is_taken_out_is_closed_at_once_and_what_is_new_works(tmp_path: Path) -> None:
    """The token of a removed profile opens nothing any more; a new profile has one, and is served."""
    async with _served(tmp_path) as (world, _, before):
        token = world.token("Reader")
        ended = await _reload(world, BEFORE.replace(role("Reader", "bob"), role("New", "bob") + keys("cat")))
        gone = await world.get("/credentials/Reader", token=token)
        replies = await fetch_all(world, ["New", "cat", "bob"])
        unknown = await world.run("login", "Reader")

    assert (0, 401) == (ended.code, gone.status)
    assert {"New": 200, "cat": 200, "bob": 200} == {name: reply.status for name, reply in replies.items()}
    assert before["bob"] == keys_in(replies)["bob"] == calls_of(world, "AssumeRole")[-1].access_key_id
    assert 2 == unknown.code
    assert b"AccessKeyId" not in gone.body


@pytest.mark.parametrize(
    "bad", ["[profiles", BEFORE + '[profiles.x]\nsource_profile = "y"', BEFORE + "colour = 1", "", BEFORE + BEFORE]
)
async def test_a_bad_config_is_refused_and_the_old_one_goes_on(tmp_path: Path, bad: str) -> None:
    """`reload` says what is wrong and ends with 2; every session, token and profile stays."""
    async with _served(tmp_path) as (world, daemon, before):
        ended = await _reload(world, bad)
        after = keys_in(await fetch_all(world, NAMES))
        await daemon.event("config.refused")

    assert (2, True) == (ended.code, str(world.config) in ended.err)
    assert before == after
    assert (2, 3) == counts(world)[1:]


UNTIL_THEN = "until then mayfly serves the sessions that it has, and renews none\n"


async def test_what_a_bad_config_means_is_said(tmp_path: Path) -> None:
    """`reload` and `status` tell that nothing new can be got, until the file is as the daemon has it."""
    async with _served(tmp_path) as (world, _, _before):
        at_first = await world.run("status")
        refused = await _reload(world, BEFORE + "colour = 1")
        stale = await world.run("status")
        world.config.unlink()
        missing = await world.run("status")
        mended = await _reload(world, BEFORE)
        at_last = await world.run("status")

    note = f"note: {world.config} has changed since it was read: 'mayfly reload'; {UNTIL_THEN}"
    assert refused.err.endswith(f"mayfly: hint: mend it and run 'mayfly reload': {UNTIL_THEN}")
    assert [False, True, True, False] == [note in ended.out for ended in (at_first, stale, missing, at_last)]
    assert (0, "") == (mended.code, mended.err)


async def test_what_waited_for_a_sound_file_comes_when_it_is_taken_over(tmp_path: Path) -> None:
    """While the file is bad nothing new is got; after the reload of a sound one it is, at once and without a word."""
    async with _served(tmp_path) as (world, _, before):
        await _reload(world, BEFORE + "colour = 1")
        await world.run("forget", "Admin")
        refused = await world.get("/credentials/Admin")
        mended = await _reload(world, keys("twin", 'region = "eu-west-1"', item="ann") + BEFORE)
        after = keys_in(await fetch_all(world, [*NAMES, "twin"]))

    assert ((400, "ConfigInvalid"), 0) == ((refused.status, refused.json["code"]), mended.code)
    assert before["ann"] == after["twin"]
    assert {"Admin"} == {name for name in NAMES if before[name] != after[name]}


async def test_another_listen_takes_a_new_start_and_that_is_said(tmp_path: Path) -> None:
    """Not by a daemon that was told elsewhere where to listen: the config does not move that one."""
    async with inhabited(tmp_path, ["ann"]) as world:
        here, there = (f'listen = "127.0.0.1:{port}"\n' for port in (world.port, free_port()))
        bare, told = {"MAYFLY_LISTEN": ""}, []
        for argv, env, before in (
            ((), bare, here),
            ((), world.env, here),
            (("--listen", f"127.0.0.1:{world.port}"), bare, there),
        ):
            world.write_toml(before + keys("ann"))
            async with world.serve(*argv, env=env):
                ended = await _reload(world, there + keys("ann"))
                told.append(ended.err)

    note = (
        f"mayfly: note: the config has another listen than 127.0.0.1:{world.port}: "
        "start 'mayfly serve' anew to move it there\n"
    )
    assert [note, "", ""] == told


async def test_a_change_of_the_way_to_1password_ends_the_session(tmp_path: Path) -> None:
    """Another account may hold other keys under the same names."""
    async with _served(tmp_path) as (world, _, _before):
        await _reload(world, '[onepasswords.second]\naccount = "second.1password.com"\n' + BEFORE)
        kept = await _phases(world)
        second = BEFORE.replace("[profiles.bob]", '[profiles.bob]\nonepassword = "second"')
        await _reload(world, '[onepasswords.second]\naccount = "second.1password.com"\n' + second)
        phases = await _phases(world)

    assert {"fresh"} == set(kept.values())
    assert {"bob": "empty", "Reader": "empty", "ann": "fresh", "Admin": "fresh", "Deep": "fresh"} == phases


async def test_a_reload_while_a_login_waits_leaves_nobody_hanging(tmp_path: Path) -> None:
    """A client that waits for a profile that is taken out meanwhile is told; the others get their session."""
    async with inhabited(tmp_path, ["ann", "bob", "early"]) as world:
        op = program(
            world.folder / "late/op",
            f'#!/bin/sh\nuntil [ -e {world.folder}/late/go ]; do sleep 0.05; done\nexec {world.op} "$@"\n',
        )
        way = f'{early(world)}[onepassword]\nop = "{op}"\n'
        world.write_toml(way + keys("ann") + keys("bob"))
        async with world.serve() as daemon:
            [asked] = await fetch_together(world, daemon, ["ann", "bob"])
            # `op` starts before the exchange has read the whole config, and the stage is told after that.
            await daemon.stage("op", "approve", profile="ann")
            ended = await _reload(world, way + keys("bob"))
            (world.folder / "late/go").touch()
            replies = list((await asked).values())

    assert 0 == ended.code
    assert ([400, 200], "ConfigChanged") == ([reply.status for reply in replies], replies[0].json["code"])


async def test_a_reload_says_when_the_profiles_of_aws_are_behind(tmp_path: Path) -> None:
    """After `aws-config --write`, profiles and regions that changed want another; what did not, wants none."""
    hint = "mayfly: hint: the profiles in ~/.aws/config have changed: mayfly aws-config --write\n"
    async with _served(tmp_path) as (world, _, _before):
        never_written = await _reload(world, BEFORE + role("New", "bob"))
        written = await world.run("aws-config", "--write", "--prefix", "my-")
        same = await world.run("reload")
        fewer = await _reload(world, BEFORE)
        region = await _reload(world, BEFORE + role("New", "bob", 'region = "eu-west-1"'))
        await world.run("aws-config", "--write", "--prefix", "my-")
        again = await world.run("reload")

    assert 0 == written.code
    assert ["", "", hint, hint, ""] == [ended.err for ended in (never_written, same, fewer, region, again)]


async def test_a_rename_under_a_prompt_is_told_at_once_in_every_way_of_waiting(world: World) -> None:
    """Nobody answers the prompt, and `nsrc` is renamed: none of the three waits to the end of its patience."""
    world.vault.update(prompt={"answer": "ignore"})
    world.write_toml("cold_wait_seconds = 60\n" + SEED_TOML)
    async with world.serve():
        client = asyncio.ensure_future(world.get())
        commands = [asyncio.ensure_future(world.run(word, "nsrc")) for word in ("login", "credential-process")]
        while world.vault.state()["prompts"] < 1:
            await asyncio.sleep(0.02)
        await asyncio.sleep(1)
        world.write_toml("cold_wait_seconds = 60\n" + SEED_TOML.replace("nsrc]", "other]"))
        reloaded = await world.run("reload")
        # Long before `cold_wait_seconds` are over.
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer, ended = await client, await asyncio.gather(*commands)
        row = next(iter(await rows_of(world)))

    assert (0, 400, "ConfigChanged") == (reloaded.code, answer.status, answer.json["code"])
    assert all("nsrc was changed in the config" in each.err for each in ended), [each.err for each in ended]
    assert ("other", True) == (row["profile"], row["in_flight"])
