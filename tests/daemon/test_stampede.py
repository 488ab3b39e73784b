"""One exchange for many: as few prompts and calls as can be, and everybody is answered."""

from __future__ import annotations

import asyncio
import json

from pathlib import Path

import pytest

from mayfly.demo.sts.server import Role
from support.exchange import Clock
from support.people import (
    SECOND,
    SECOND_ACCOUNT,
    calls_of,
    counts,
    early,
    fetch_all,
    fetch_together,
    inhabited,
    keys,
    keys_in,
    role,
    rows_of,
)
from support.world import Served, World


def _two_accounts(sources: int, roles: int) -> str:
    """As many sources, by turns in two accounts, and roles on them by turns."""
    texts = [SECOND]
    texts += [keys(f"s{n}", *(['onepassword = "second"'] if n % 2 else [])) for n in range(sources)]
    texts += [role(f"r{n}", f"s{n % sources}") for n in range(roles)]
    return "".join(texts)


def _names(letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


async def test_a_stampede_on_two_accounts_is_two_op_calls(tmp_path: Path) -> None:
    """Many clients on many cold profiles: one `op` an account, one session a device, one AssumeRole a role."""
    sources, roles = _names("s", 4), _names("r", 24)
    async with inhabited(tmp_path, [*sources, "early"], [Role(name=name) for name in roles]) as world:
        world.write_toml(early(world) + _two_accounts(len(sources), len(roles)))
        async with world.serve() as daemon:
            rounds = await asyncio.gather(*await fetch_together(world, daemon, sources + roles, times=5))
            exchanges = [(event["kind"], len(event["profiles"])) for event in daemon.events("exchange.started")]

    assert {200} == {reply.status for replies in rounds for reply in replies.values()}
    assert 1 == len({json.dumps(keys_in(replies)) for replies in rounds})
    assert (3, 5, 24) == counts(world)
    assert [("login", 1), ("login", 14), ("login", 14)] == exchanges
    assert (1, 1) == (world.vault.state()["overlap"]["max"], _op_calls_for(world, SECOND_ACCOUNT))
    assert world.sts.max_in_flight <= 16
    assert _stood_on(world, keys_in(rounds[0])) == {f"r{n}": f"s{n % 4}" for n in range(24)}


def _op_calls_for(world: World, account: str) -> int:
    return sum(account in call["argv"] for call in world.vault.calls())


def _stood_on(world: World, issued: dict[str, str]) -> dict[str, str]:
    """The source whose session each role was assumed with."""
    names = {key: name for name, key in issued.items()}
    calls = calls_of(world, "AssumeRole")
    return {call.parameters["RoleArn"].rpartition("/")[2]: names[call.access_key_id] for call in calls}


async def test_a_bad_item_among_several_fails_alone(tmp_path: Path) -> None:
    """One op for all, and item by item only because that failed: the others, and the roles above them, are served."""
    names = ["lost", "s0", "s1", "r0", "above-lost"]
    async with inhabited(tmp_path, ["s0", "s1"], [Role(name="r0")]) as world:
        world.write_toml(keys("lost") + keys("s0") + keys("s1") + role("r0", "s1") + role("above-lost", "lost"))
        async with world.serve():
            replies = await fetch_all(world, names)

    assert [400, 200, 200, 200, 400] == [reply.status for reply in replies.values()]
    assert ["ItemNotFound"] * 2 == [replies[name].json["code"] for name in ("lost", "above-lost")]
    assert "op://NSRC/lost" in replies["lost"].json["message"]
    assert (2, 1) == counts(world)[1:]


async def test_an_item_with_nonsense_in_it_stops_nobody(tmp_path: Path) -> None:
    """Item by item, one whose value cannot be a key fails by itself, and those after it are asked for."""
    async with inhabited(tmp_path, ["s0"]) as world:
        fields = {"access_key_id": "hunter2", "secret_access_key": "x", "totp": "A" * 32, "mfa_id": "nonsense"}
        world.vault.add_item("odd", fields)
        world.write_toml(keys("lost") + keys("odd") + keys("s0"))
        async with world.serve():
            replies = await fetch_all(world, ["lost", "odd", "s0"])

    codes = [reply.json.get("code") for reply in replies.values()]
    assert ["ItemNotFound", "ItemValueInvalid", None] == codes
    assert b"hunter2" not in b"".join(reply.body for reply in replies.values())


async def test_a_role_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    """Results are handed out as they come: while AWS does not answer one role, the others are served."""
    async with inhabited(tmp_path, ["s0"], [Role(name="r0"), Role(name="r1")]) as world:
        world.write_toml(keys("s0") + role("r0", "s0") + role("r1", "s0"))
        async with world.serve():
            await world.get("/credentials/s0")
            world.sts.faults.then("hang", "ok")
            asked = {name: asyncio.create_task(world.get(f"/credentials/{name}")) for name in ("r0", "r1")}
            done, hanging = await asyncio.wait(asked.values(), return_when=asyncio.FIRST_COMPLETED)
            statuses = [task.result().status for task in done]
            for task in hanging:
                task.cancel()

    assert ([200], 1) == (statuses, len(hanging))


async def test_an_account_that_says_no_holds_up_nobody_else(tmp_path: Path) -> None:
    """A dismissed prompt of one account is told of its profiles and their roles; the other account opens its own."""
    async with inhabited(tmp_path, ["s0", "s1"], [Role(name="r0"), Role(name="r1")]) as world:
        world.write_toml(_two_accounts(2, 2))
        world.vault.update(auth={"session_key": "per-process"}, script=[{"prompt": {"answer": "reject"}}])
        async with world.serve():
            first = await fetch_all(world, ["s0", "r0"])
            other = await fetch_all(world, ["s1", "r1"])

    assert ["ApprovalDismissed"] * 2 == [reply.json["code"] for reply in first.values()]
    assert [200, 200] == [reply.status for reply in other.values()]


async def test_profiles_with_the_same_keys_share_one_session_and_one_prompt(tmp_path: Path, clock: Clock) -> None:
    """Same references, account and duration: one session for all, with any names and regions; a length of its
    own is a session of its own, with the next code."""
    twins = [keys(f"twin-{region}", f'region = "{region}"', item="ann") for region in ("eu-west-1", "us-west-2")]
    async with inhabited(tmp_path, ["ann"], clock=clock) as world:
        world.write_toml(keys("ann") + "".join(twins) + keys("short", "duration_seconds = 3600", item="ann"))
        async with world.serve(env=clock.rule(world)):
            shared = await fetch_all(world, ["ann", "twin-eu-west-1", "twin-us-west-2"])
            shared_counts = counts(world)
            clock.jump(30)
            short = await world.get("/credentials/short")
        prompts = world.vault.state()["prompts"]

    assert (1, (1, 1, 0)) == (len({reply.body for reply in shared.values()}), shared_counts)
    assert short.body != shared["ann"].body
    assert ((2, 2, 0), 1) == (counts(world), prompts)


SOURCES = 20
ROLES = 480


@pytest.mark.slow
async def test_five_hundred_profiles_at_once(tmp_path: Path) -> None:
    """20 sources in 2 accounts and 480 roles, all cold, all asked for at once: 2 prompts' worth of work, none lost."""
    sources, roles = _names("s", SOURCES), _names("r", ROLES)
    async with inhabited(tmp_path, [*sources, "early"], [Role(name=name) for name in roles]) as world:
        world.write_toml(early(world) + _two_accounts(SOURCES, ROLES))
        async with world.serve(from_scratch=True) as daemon:
            [replies] = await asyncio.gather(*await fetch_together(world, daemon, sources + roles))
            rows = await rows_of(world)
            mib = _resident_mib(daemon)
            exchanges = daemon.events("exchange.started")

    assert {200} == {reply.status for reply in replies.values()}
    assert (1 + 2, 1 + SOURCES, ROLES) == counts(world)
    assert (1, True) == (world.vault.state()["overlap"]["max"], world.sts.max_in_flight <= 16)
    assert [1, 250, 250] == [len(event["profiles"]) for event in exchanges]
    assert {"fresh"} == {row["phase"] for row in rows}
    assert (1 + SOURCES + ROLES, True) == (len(rows), mib < 64)


def _resident_mib(daemon: Served) -> float:
    lines = Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
    [kib] = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(kib) / 1024
