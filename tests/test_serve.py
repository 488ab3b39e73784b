"""The main job, seen from outside: one login, every client."""

from __future__ import annotations

import signal

from world import World, which


async def test_first_request_gets_a_session_and_the_second_comes_from_memory(world: World) -> None:
    """One op, one STS call, however often a profile is fetched."""
    async with world.serve():
        first = await world.get()
        second = await world.get()

    assert 200 == first.status
    assert first.body == second.body
    assert 1 == len(world.vault.calls())
    assert ["GetSessionToken"] == [call.action for call in world.sts.calls]


async def test_a_daemon_drains_and_leaves_nothing(world: World) -> None:
    """SIGTERM ends the daemon with 0, and its socket is gone; the tokens stay."""
    async with world.serve() as daemon:
        code = await daemon.end(signal.SIGTERM)

    assert 0 == code
    assert {"tokens", "op.lock"} >= {entry.name for entry in world.run_dir.iterdir()}


async def test_an_unmodified_aws_cli_is_who_the_vault_says(world: World) -> None:
    """The AWS CLI, pointed at the endpoint by `mayfly env`, is the vault's user."""
    async with world.serve():
        ended = await world.run_program(
            which("aws"),
            *("sts", "get-caller-identity", "--output", "text", "--query", "Arn"),
            env={
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{world.url}/credentials/nsrc",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": world.token(),
                "AWS_DEFAULT_REGION": "us-east-1",  # botocore reads no AWS_REGION
            },
        )

    assert (0, "arn:aws:iam::058264411872:user/carmas\n") == (ended.code, ended.out)
