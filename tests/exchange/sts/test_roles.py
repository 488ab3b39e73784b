"""Role profiles: every parameter, chains of any depth, and a renewal without a prompt."""

from __future__ import annotations

import json
import re
import sys

from pathlib import Path

import pytest

from mayfly.config.load import load
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.demo.sts.server import Role
from support.exchange import Clock, ask, login
from support.nursery import MAYFLY
from support.people import ROLES, calls_of, counts, fetch_all, inhabited, keys, keys_in, life_seconds, role
from support.world import World


POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}'
EVERYTHING = role(
    "Admin",
    "ann",
    "duration_seconds = 1800",
    'role_session_name = "ann@laptop"',
    'external_id = "a:b/c"',
    f"policy = '{POLICY}'",
    'policy_arns = ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::058264411872:policy/own"]',
    'source_identity = "ann"',
    'tags = { team = "core", "cost center" = "1" }',
    'transitive_tag_keys = ["team"]',
)


async def test_every_parameter_reaches_assume_role(tmp_path: Path) -> None:
    """AssumeRole gets every parameter of the config, signed with the keys of the source's session."""
    async with inhabited(tmp_path, ["ann"], [Role(name="Admin", external_id="a:b/c")]) as world:
        world.write_toml(keys("ann") + EVERYTHING)
        ended = await ask(world, login(world, "ann", "Admin"))
        [call] = calls_of(world, "AssumeRole")

    assert ended.credentials("ann").access_key_id == call.access_key_id
    assert {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": f"{ROLES}/Admin",
        "RoleSessionName": "ann@laptop",
        "DurationSeconds": "1800",
        "ExternalId": "a:b/c",
        "Policy": POLICY,
        "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "PolicyArns.member.2.arn": "arn:aws:iam::058264411872:policy/own",
        "SourceIdentity": "ann",
        "Tags.member.1.Key": "team",
        "Tags.member.1.Value": "core",
        "Tags.member.2.Key": "cost center",
        "Tags.member.2.Value": "1",
        "TransitiveTagKeys.member.1": "team",
    } == call.parameters


async def test_what_is_left_out_is_not_sent(tmp_path: Path) -> None:
    """A role with only an ARN is assumed for an hour, by a session name that AWS accepts and a person recognises."""
    async with inhabited(tmp_path, ["ann"], [Role(name="Admin")]) as world:
        world.write_toml(keys("ann") + role("Admin", "ann"))
        await ask(world, login(world, "Admin"))
        [call] = calls_of(world, "AssumeRole")

    sent = dict(call.parameters)
    assert re.fullmatch(r"[\w+=,.-]+@[\w+=,.-]+", sent["RoleSessionName"], re.ASCII)
    assert 2 <= len(sent.pop("RoleSessionName")) <= 64
    assert {"Action", "Version", "RoleArn", "DurationSeconds"} == sent.keys()
    assert "3600" == sent["DurationSeconds"]


DEPTH = 40


async def test_a_chain_of_any_depth_is_one_exchange(tmp_path: Path) -> None:
    """Every link is assumed once, with the credentials of the link below it."""
    names = [f"r{number}" for number in range(DEPTH)]
    async with inhabited(tmp_path, ["ann"], [Role(name=name) for name in names]) as world:
        links = zip(names, ["ann", *names], strict=False)
        # The file may name them in any order.
        world.write_toml("".join([role(name, below) for name, below in reversed(list(links))] + [keys("ann")]))
        async with world.serve() as daemon:
            [top] = (await fetch_all(world, [names[-1]])).values()
            others = await fetch_all(world, ["ann", *names])
            exchanges = daemon.events("exchange.started")
        calls = calls_of(world, "AssumeRole")

    issued = keys_in(others)
    assert (200, (1, 1, DEPTH), 1) == (top.status, counts(world), len(exchanges))
    assert top.body == others[names[-1]].body
    assert [issued[name] for name in ("ann", *names[:-1])] == [call.access_key_id for call in calls]


def test_a_chain_deeper_than_python_recurses_is_a_config(tmp_path: Path) -> None:
    """A long chain is a valid config. (With the default limit of 1,000 this test would take seconds.)"""
    limit = sys.getrecursionlimit()
    names = [f"r{number}" for number in range(400)]
    file = World(tmp_path, MAYFLY).write_toml(keys("ann") + "".join(map(role, names, ["ann", *names])))
    sys.setrecursionlimit(len(names))
    try:
        found = load(file)
        chain, links = found.chain(names[-1]), Ledger(found).chain(names[-1])
    finally:
        sys.setrecursionlimit(limit)

    assert ("ann", *names) == chain
    assert (names[-1],) == links[-1:]


async def test_a_role_is_renewed_from_a_live_session_without_op(tmp_path: Path, clock: Clock) -> None:
    """An hour after the login the role is renewed without `op`, prompt or code."""
    async with inhabited(tmp_path, ["ann"], [Role(name="Admin")], clock) as world:
        world.write_toml(keys("ann") + role("Admin", "ann"))
        async with world.serve(env=clock.rule(world)) as daemon:
            first = await world.get("/credentials/Admin")
            clock.jump(3590)
            await world.get("/credentials/Admin")
            await daemon.event("session.refreshed", 3)
            second = await world.get("/credentials/Admin")
        at_the_end = clock()

    assert keys_in({"Admin": first}) != keys_in({"Admin": second})
    assert 3500 < life_seconds(second, at_the_end) <= 3600
    assert ((1, 1, 2), 1) == (counts(world), world.vault.state()["prompts"])


async def test_a_role_that_fails_fails_alone(tmp_path: Path) -> None:
    """The error of a role that AWS denies names its ARN; its source, its sibling and another chain are served."""
    roles = [Role(name="Admin"), Role(name="Deep")]
    async with inhabited(tmp_path, ["ann"], roles) as world:
        world.write_toml(
            keys("ann") + role("Admin", "ann") + role("No", "ann") + role("Above", "No") + role("Deep", "Admin")
        )
        async with world.serve():
            replies = await fetch_all(world, ["ann", "Admin", "No", "Above", "Deep"])

    assert {"ann": 200, "Admin": 200, "No": 400, "Above": 400, "Deep": 200} == {
        name: reply.status for name, reply in replies.items()
    }
    assert ("AccessDenied", True) == (replies["No"].json["code"], f"{ROLES}/No" in replies["No"].json["message"])
    assert "AccessDenied" == replies["Above"].json["code"]


@pytest.mark.parametrize("duration_seconds", [3601, 43200])
async def test_more_than_an_hour_through_a_session_is_refused_with_the_way_out(
    world: World, duration_seconds: int
) -> None:
    """`serve` says why AWS would refuse, and that mfa = "each" allows it."""
    path = world.write_toml(keys("ann") + role("Admin", "ann", f"duration_seconds = {duration_seconds}"))
    ended = await world.run("serve")

    assert 2 == ended.code
    assert f"{path}: profiles.Admin.duration_seconds: is {duration_seconds} seconds" in ended.err
    assert "role chaining" in ended.err
    assert 'mfa = "each"' in ended.err


async def test_the_endpoint_tells_whose_a_role_is(tmp_path: Path) -> None:
    """The answer of the endpoint has the account and the ARN of the role."""
    async with inhabited(tmp_path, ["ann"], [Role(name="Admin")]) as world:
        world.write_toml(keys("ann") + role("Admin", "ann"))
        async with world.serve():
            tree = json.loads((await world.get("/credentials/Admin")).body)

    assert ("058264411872", f"{ROLES}/Admin") == (tree["AccountId"], tree["RoleArn"])


async def test_a_narrow_twin_has_a_token_and_credentials_of_its_own(tmp_path: Path) -> None:
    """A twin has a token for itself alone, and credentials confined by its policy; the wide role's do not open it."""
    async with inhabited(tmp_path, ["ann"], [Role(name="Admin")]) as world:
        readonly = 'policy_arns = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]'
        narrow = role("ann-readonly", "ann", f"policy = '{POLICY}'", readonly, arn=f"{ROLES}/Admin")
        world.write_toml(keys("ann") + role("Admin", "ann") + narrow)
        async with world.serve():
            replies = await fetch_all(world, ["Admin", "ann-readonly"])
            token = world.token("ann-readonly")
            crossed = [
                await world.get("/credentials/Admin", token=token),
                await world.get("/credentials/ann", token=token),
                await world.get("/credentials/ann-readonly", token=world.token("Admin")),
            ]
        wide, confined = calls_of(world, "AssumeRole")

    assert [200, 200] == [reply.status for reply in replies.values()]
    assert [401, 401, 401] == [reply.status for reply in crossed]
    assert replies["Admin"].body != replies["ann-readonly"].body
    if "Policy" in wide.parameters:
        wide, confined = confined, wide
    assert {"Policy", "PolicyArns.member.1.arn"} == confined.parameters.keys() - wide.parameters.keys()
