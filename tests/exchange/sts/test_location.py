"""Where STS is: by region, by ARN, by botocore's data, and in a fallback region."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from botocore.session import Session as BotocoreSession

from mayfly.demo.op.vault import Vault
from mayfly.demo.sts.server import Account, EmbeddedSts, Role
from mayfly.exchange.sts.location import StsLocation, locations_in_other_partitions, sts_location
from mayfly.shared.partitions import partition_named, partition_with, partitions, sts_host
from support.configs import keys as key_table
from support.configs import loaded
from support.configs import role as role_table
from support.exchange import CODE_SECONDS, Clock, answer, ask, exchange, login, put, verification
from support.nursery import MAYFLY
from support.people import keys, role, user_in
from support.tunnel import Tunnel
from support.world import SEED_ACCOUNT, World


Tree = dict[str, Any]

PLACES = [
    ("aws", "", "sts.us-east-1.amazonaws.com"),
    ("aws", "eu-central-1", "sts.eu-central-1.amazonaws.com"),
    ("aws-cn", "", "sts.cn-northwest-1.amazonaws.com.cn"),
    ("aws-iso-f", "", "sts.us-isof-south-1.csp.hci.ic.gov"),
]


@pytest.mark.parametrize(("partition", "region", "host"), PLACES)
async def test_every_partition_has_its_own_sts(tmp_path: Path, partition: str, region: str, host: str) -> None:
    """Over real TLS: the region's host, or without a region the host of the partition in the ARN of the MFA device."""
    world = World(tmp_path, MAYFLY)
    serial = f"arn:{partition}:iam::{SEED_ACCOUNT}:mfa/ann"
    world.vault = Vault(mfa_id=serial)
    world.op = world.vault.install(world.folder / "op2")
    account = Account(account_id=SEED_ACCOUNT, users=world.account().users, roles=(Role(name="Admin"),))
    async with EmbeddedSts(account) as world.sts, Tunnel(world, host).open() as tunnel:
        lines = [f'region = "{region}"'] if region else []
        arn = account.role_arn(account.roles[0])
        item = keys("ann", *lines, item="NSRC AWS Training Account")
        world.write_toml(item + role("Admin", "ann", arn=arn))
        ended = await ask(world, login(world, "ann", "Admin"), tunnel.env)
        verified = await ask(world, verification(world, **ended.outcomes), tunnel.env)

    assert {"ann": "Credentials", "Admin": "Credentials"} == ended.verdicts
    assert {"ann": "Identity", "Admin": "Identity"} == verified.verdicts
    assert {host} == set(tunnel.hosts)
    assert ["ok"] * 4 == [call.outcome for call in world.sts.calls]


FIRST, SECOND = "sts.eu-central-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"
TWO_REGIONS = 'sts_region = ["eu-central-1", "eu-west-1"]'


async def _login_through(tunnel: Tunnel, world: World, *profiles: str) -> dict[str, str]:
    return (await ask(world, login(world, *profiles), tunnel.env)).verdicts


@pytest.mark.parametrize("closed", [{FIRST}, {SECOND}, set()])
async def test_the_second_region_is_asked_where_the_first_cannot_be_reached(tmp_path: Path, closed: set[str]) -> None:
    """Without a connection the same code goes to the next region. Once a region answers, no other is called."""
    world = World(tmp_path, MAYFLY)
    account = Account(
        account_id=SEED_ACCOUNT,
        users=(user_in(world.vault, "ann"),),
        roles=tuple(Role(name=f"r{n}") for n in range(20)),
    )
    async with EmbeddedSts(account) as world.sts, Tunnel(world, FIRST, SECOND).open() as tunnel:
        tunnel.closed = closed
        world.write_toml(keys("ann", TWO_REGIONS) + "".join(role(f"r{n}", "ann") for n in range(20)))
        verdicts = await _login_through(tunnel, world, "ann", *(f"r{n}" for n in range(20)))

    assert {"Credentials"} == set(verdicts.values())
    assert 1 == world.vault.state()["calls"]
    assert ["ok"] * 21 == [call.outcome for call in world.sts.calls]
    # Found closed, a region is not tried again for every role.
    assert tunnel.hosts.count(FIRST) <= (17 if FIRST in closed else len(tunnel.hosts))
    assert ({FIRST, SECOND} if FIRST in closed else {FIRST}) == set(tunnel.hosts)


async def test_after_a_code_was_sent_the_region_stays(tmp_path: Path, clock: Clock) -> None:
    """A region that accepted the code and failed is called again, with the next code; the second region is not."""
    world = World(tmp_path, MAYFLY)
    account = Account(account_id=SEED_ACCOUNT, users=(user_in(world.vault, "ann"),))
    async with EmbeddedSts(account, clock=clock) as world.sts, Tunnel(world, FIRST, SECOND).open() as tunnel:
        world.sts.faults.then("503")
        world.write_toml(keys("ann", TWO_REGIONS))
        async with exchange(world, tunnel.env | clock.rule(world)) as process:
            await put(process, login(world, "ann"))
            await world.sts.called("GetSessionToken")
            clock.jump(CODE_SECONDS)
            ended = await answer(process)

    assert {"ann": "Credentials"} == ended.verdicts
    assert [FIRST, FIRST] == tunnel.hosts


async def test_where_no_region_answers_it_is_said_of_all(tmp_path: Path) -> None:
    """The error names every region that was tried; no code went anywhere."""
    world = World(tmp_path, MAYFLY)
    account = Account(account_id=SEED_ACCOUNT, users=(user_in(world.vault, "ann"),))
    async with EmbeddedSts(account) as world.sts, Tunnel(world, FIRST, SECOND).open() as tunnel:
        tunnel.closed = {FIRST, SECOND}
        world.write_toml(keys("ann", TWO_REGIONS))
        error = (await ask(world, login(world, "ann"), tunnel.env)).error("ann")

    assert "AwsUnreachable" == error.code
    assert "sts in eu-central-1 or eu-west-1" in error.message
    assert [] == world.sts.calls


def _location(tables: dict[str, Tree], name: str, partition: str = "", **environ: str) -> StsLocation:
    return sts_location(loaded({"profiles": tables}), name, environ, partition)


BASE = key_table(region="eu-central-1")
CN = "arn:aws-cn:iam::123456789012:mfa/me"
CN_ROLE = "arn:aws-cn:iam::123456789012:role/Admin"
INHERITANCE: list[tuple[dict[str, Tree], StsLocation]] = [
    ({"p": role_table()}, StsLocation(region="eu-central-1")),
    ({"p": role_table(region="sa-east-1")}, StsLocation(region="sa-east-1")),
    ({"p": role_table(region="sa-east-1", sts_region="us-west-2")}, StsLocation(region="us-west-2")),
    ({"p": role_table("q"), "q": role_table(sts_region="us-west-2")}, StsLocation(region="us-west-2")),
    ({"p": role_table("q"), "q": role_table(), "base": key_table()}, StsLocation(region="us-east-1")),
    ({"p": role_table(role_arn=CN_ROLE), "base": key_table()}, StsLocation(region="cn-northwest-1")),
    ({"p": role_table(role_arn=CN_ROLE), "base": key_table(mfa_id=CN)}, StsLocation(region="cn-northwest-1")),
    ({"p": key_table(mfa_id=CN)}, StsLocation(region="cn-northwest-1")),
    ({"p": key_table(mfa_id="GAHT12345678")}, StsLocation(region="us-east-1")),
    ({"p": role_table(mfa="each")}, StsLocation(region="eu-central-1")),
    (
        {"p": role_table(), "base": key_table(sts_region=["eu-central-1", "eu-west-1"])},
        StsLocation(region="eu-central-1", fallback_regions=("eu-west-1",)),
    ),
    (
        {"p": role_table(), "base": key_table(sts_region=["us-east-1", "us-east-2"], sts_endpoint_url="https://sts")},
        StsLocation(region="us-east-1", endpoint_url="https://sts"),
    ),
]


@pytest.mark.parametrize(("tables", "location"), INHERITANCE)
def test_a_profile_asks_the_sts_of_the_nearest_one_that_names_it(
    tables: dict[str, Tree], location: StsLocation
) -> None:
    """A profile's own sts_region, its own region, then those of its source profile; else the partition in an ARN."""
    assert location == _location({"base": BASE} | tables, "p")


def test_the_item_tells_the_partition_where_nothing_else_does() -> None:
    """The partition of a device's ARN counts the same from the item as from the config."""
    assert "cn-northwest-1" == _location({"p": key_table()}, "p", partition="aws-cn").region
    assert "us-east-1" == _location({"p": key_table(region="us-east-1")}, "p", partition="aws-cn").region


def test_sts_is_where_botocore_would_look_for_it() -> None:
    """The host of STS is botocore's own in every region that botocore knows."""
    session = BotocoreSession()
    regions = [region for found in partitions() for region in found.regions if not region.endswith("-global")]
    nobody = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    urls = {region: session.create_client("sts", region_name=region, **nobody).meta.endpoint_url for region in regions}

    assert len(regions) > 40
    assert urls == {region: f"https://{sts_host(region)}" for region in regions}


def test_what_fits_no_partition_is_taken_for_the_usual_one() -> None:
    """A new region belongs to the partition whose regions are named like it; a new partition is not guessed."""
    assert ["aws", "aws-cn", "aws"] == [partition_with(name).name for name in ("us-east-99", "cn-new-1", "xx-yy-1")]
    assert "us-east-1" == partition_named("aws-next").first_region == partition_named("").first_region


TOLD: list[tuple[dict[str, Any], dict[str, str]]] = [
    (key_table(region="eu-central-1"), {}),
    (key_table(sts_region="eu-central-1"), {}),
    (key_table(sts_endpoint_url="https://sts"), {}),
    (key_table(), {"AWS_ENDPOINT_URL_STS": "http://localhost"}),
    (key_table(mfa_id=CN), {}),
    (key_table(mfa_id="GAHT12345678"), {}),
    (role_table(mfa="each"), {}),
]


@pytest.mark.parametrize(("table", "environ"), TOLD)
def test_a_place_that_is_told_is_the_only_one(table: dict[str, Any], environ: dict[str, str]) -> None:
    """With a region, an endpoint or an ARN in the config, no other partition is tried."""
    assert () == locations_in_other_partitions(loaded({"profiles": {"base": key_table(), "p": table}}), "p", environ)
