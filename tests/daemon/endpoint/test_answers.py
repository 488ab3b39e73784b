"""What an honest client gets: the contract of a 200, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
import re

from datetime import UTC, datetime, timedelta

import pytest

from mayfly.demo.op.vault import ITEM
from mayfly.demo.sts.server import EmbeddedSts, Role
from support.raw import Line, Reply, asking, dial, filled, get
from support.warm import Warm
from support.world import SEED_ACCOUNT, SEED_TOML, World


COLD_CLIENTS = 1000
on_warm = pytest.mark.asyncio(loop_scope="module")


def filled_for(world: World, template: bytes, profile: str = "nsrc") -> bytes:
    return filled(template, port=str(world.port), token=world.token(profile))


async def ask(world: World, template: bytes, profile: str = "nsrc") -> Reply:
    """The final answer to one request on a connection of its own."""
    async with dial(world.port) as line:
        line.send(filled_for(world, template, profile))
        return await final(line)


async def final(line: Line) -> Reply:
    while (reply := await line.reply()).status == 100:
        pass
    return reply


@on_warm
async def test_credentials_are_written_as_every_sdk_reads_them(warm: Warm) -> None:
    """A 200 has these headers and these keys, and nothing else."""
    reply = await ask(warm.world, asking())

    length = str(len(reply.body))
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Content-Length", length)]
    assert headers == reply.headers
    assert ["AccessKeyId", "SecretAccessKey", "Token", "Expiration", "AccountId"] == list(reply.json)
    assert SEED_ACCOUNT == reply.json["AccountId"]
    assert len(reply.body) < 10_000


@on_warm
async def test_expiration_is_in_the_one_form_that_all_sdks_take(warm: Warm) -> None:
    """`YYYY-MM-DDTHH:MM:SSZ`, and eight hours ahead."""
    reply = await ask(warm.world, asking())

    text = reply.json["Expiration"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    left = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) - datetime.now(UTC)
    assert abs(left - timedelta(hours=8)) < timedelta(minutes=1)


@on_warm
async def test_a_connection_is_used_again(warm: Warm) -> None:
    """Request after request on one connection, refused ones between, gets the same bytes as any other client."""
    alone = await ask(warm.world, asking())
    async with dial(warm.world.port) as line:
        for _ in range(5):
            line.send(filled_for(warm.world, asking()))
            assert alone == await line.reply()
            line.send(filled_for(warm.world, get()))
            assert 401 == (await line.reply()).status


@on_warm
async def test_a_client_that_closes_closes_nobody_else(warm: Warm) -> None:
    """Connections that end and connections that stay do not mix, although they share an answer."""
    stay, leave = filled_for(warm.world, asking()), filled_for(warm.world, asking("Connection: close"))

    async def stays() -> None:
        async with dial(warm.world.port) as line:
            for _ in range(10):
                line.send(stay)
                assert 200 == (await line.reply()).status

    async def leaves() -> None:
        for _ in range(10):
            async with dial(warm.world.port) as line:
                line.send(leave)
                assert ("Connection", "close") in (await line.reply()).headers
                # One that stays is closed after five seconds.
                async with asyncio.timeout(4):
                    assert b"" == await line.rest()

    await asyncio.gather(*(stays() for _ in range(12)), *(leaves() for _ in range(12)))


@on_warm
async def test_health_says_nothing_but_ok(warm: Warm) -> None:
    """The health check needs no token, and tells neither profile nor version."""
    reply = await ask(warm.world, get("/healthz"))

    assert (200, b'{"status":"ok"}') == (reply.status, reply.body)


@on_warm
async def test_a_token_opens_its_own_profile_only(warm: Warm) -> None:
    """The token of one profile is as good as none for another."""
    for target, profile, status in (
        ("/credentials/nsrc", "nsrc", 200),
        ("/credentials/other", "nsrc", 401),
        ("/credentials/nsrc", "other", 401),
    ):
        assert status == (await ask(warm.world, asking(target=target), profile)).status


@on_warm
@pytest.mark.parametrize("target", ["/credentials/nsrc", "/credentials/nobody"])
@pytest.mark.parametrize("lines", [[], ["Authorization: "], ["X-Aws-Token: x"]], ids=["none", "empty", "elsewhere"])
async def test_a_client_that_sends_no_token_is_told_so(warm: Warm, target: str, lines: list[str]) -> None:
    """Older SDKs overlook a token file. They are told what to do, and not which profiles there are."""
    reply = await ask(warm.world, get(target, *lines))

    assert (401, "Unauthorized") == (reply.status, reply.json["code"])
    assert reply.json["message"].startswith("no token was sent (older SDKs read no AWS_CONTAINER_AUTHORIZATION_TOKEN_F")
    assert reply.json["message"].endswith('eval "$(mayfly env PROFILE)" anew, without --token-file')


async def test_a_crowd_of_cold_clients_costs_one_login(world: World) -> None:
    """A thousand clients at once are all answered, by one op and one STS call."""
    async with world.serve():
        request = filled_for(world, asking())

        async def client() -> bytes:
            async with dial(world.port) as line:
                line.send(request)
                reply = await final(line)
                assert 200 == reply.status
                return reply.body

        bodies = await asyncio.gather(*(client() for _ in range(COLD_CLIENTS)))

    assert 1 == len(set(bodies))
    assert 1 == len(world.vault.calls())
    # A crowd that takes seconds looks like a client that returns, which AWS is asked about.
    assert ["GetSessionToken"] == [call.action for call in world.sts.calls if call.action != "GetCallerIdentity"]


async def test_a_warm_profile_does_not_wait_for_another_ones_human(world: World) -> None:
    """While one profile's prompt is open, the other is answered from memory."""
    world.write_toml(SEED_TOML + SEED_TOML.replace("nsrc]", "other]").replace(ITEM, world.vault.item_id))
    async with world.serve():
        await ask(world, asking())
        world.vault.update(prompt={"answer": "ignore"}, auth={"max_s": 0})
        async with dial(world.port) as waiting:
            waiting.send(filled_for(world, asking(target="/credentials/other"), "other"))
            assert 100 == (await waiting.reply()).status
            while world.vault.state()["prompts"] < 2:
                await asyncio.sleep(0.05)
            for _ in range(100):
                assert 200 == (await ask(world, asking())).status
            world.vault.update(prompt={"answer": "dismiss"})


async def test_what_is_forgotten_is_not_served(world: World) -> None:
    """After `mayfly forget` the next client gets other keys."""
    role = Role(name="Admin")
    world.write_toml(
        f'{SEED_TOML}[profiles.admin]\nsource_profile = "nsrc"\nrole_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"\n'
    )
    async with EmbeddedSts(world.account(role)) as world.sts, world.serve():
        before = await ask(world, asking(target="/credentials/admin"), "admin")
        assert 0 == (await world.run("forget", "admin")).code
        after = await ask(world, asking(target="/credentials/admin"), "admin")

    assert f"arn:aws:iam::{SEED_ACCOUNT}:role/Admin" == before.json["RoleArn"]
    assert before.json["AccessKeyId"] != after.json["AccessKeyId"]


async def test_every_name_that_the_config_allows_is_served(world: World) -> None:
    """A profile's name stands in the target as it stands in the config."""
    names = ["a", "A.b_c-d", "9" * 64]
    world.write_toml("".join(SEED_TOML.replace("nsrc]", json.dumps(name) + "]") for name in names))
    async with world.serve():
        for name in names:
            assert 200 == (await ask(world, asking(target=f"/credentials/{name}"), name)).status
