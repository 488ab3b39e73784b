"""`mayfly serve` from outside: one login serves every client."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from support.clients import ARN
from support.world import PATIENCE_SECONDS, World, which


async def test_first_request_gets_a_session_and_the_second_comes_from_memory(world: World) -> None:
    """However often a profile is fetched, `op` runs once and STS is called once."""
    async with world.serve():
        first = await world.get()
        second = await world.get()

    assert 200 == first.status
    assert first.body == second.body
    assert 1 == len(world.vault.calls())
    assert ["GetSessionToken"] == [call.action for call in world.sts.calls]


async def test_a_daemon_drains_and_leaves_nothing(world: World) -> None:
    """SIGTERM ends the daemon with 0 and removes its socket; the tokens stay."""
    async with world.serve() as daemon:
        code = await daemon.end(signal.SIGTERM)

    assert 0 == code
    assert {"tokens", "op.lock"} >= {entry.name for entry in world.run_dir.iterdir()}


async def test_an_unmodified_aws_cli_is_who_the_vault_says(world: World) -> None:
    """For AWS, the AWS CLI with the endpoint's URL and token is the vault's user."""
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

    assert (0, f"{ARN}\n") == (ended.code, ended.out)


async def test_a_daemon_outlives_the_reader_of_its_log(world: World) -> None:
    """After a terminal is closed, or `| tee` has ended, clients still get their credentials."""
    reading, writing = os.pipe()
    async with serving(world, stderr=writing) as daemon:
        with open(reading, encoding="utf-8") as log:  # noqa: ASYNC230, PTH123 - until it has started
            while "daemon.started" not in log.readline():
                pass
        assert 200 == (await world.get()).status
        assert 401 == (await world.get(token="x" * 43)).status
        assert 200 == (await world.get()).status
        daemon.send_signal(signal.SIGTERM)
        assert 0 == await daemon.wait()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
async def test_a_log_on_a_full_disk_stops_nobody(world: World) -> None:
    """Log lines that cannot be written are lost, and nothing else is."""
    async with serving(world, stderr=os.open("/dev/full", os.O_WRONLY)) as daemon:
        while True:
            with suppress(ConnectionRefusedError):
                assert 200 == (await world.get("/healthz", token="")).status
                break
            await asyncio.sleep(0.05)
        assert 200 == (await world.get()).status
        assert 0 == (await world.run("forget", "nsrc")).code
        assert 401 == (await world.get(token="wrong")).status
        daemon.send_signal(signal.SIGTERM)
        assert 0 == await daemon.wait()


@asynccontextmanager
async def serving(world: World, *, stderr: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A daemon whose log goes to the descriptor `stderr`, which is closed here."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "serve"), stderr=stderr, env=world.env, cwd=world.home
    )
    os.close(stderr)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
