"""`mayfly ssh` with the real daemon: an SDK on the other host, over a restart, until the grant is revoked."""

from __future__ import annotations

import asyncio
import json
import sys

from contextlib import AsyncExitStack
from pathlib import Path

from support.clients import ARN
from support.sshd import needs_sshd, shell, sshd
from support.world import PATIENCE_SECONDS, World


pytestmark = needs_sshd

WHO = f'{sys.executable} -c \'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])\''
CURL = 'curl -s -w "%{{http_code}}" -H "Authorization: {}" $AWS_CONTAINER_CREDENTIALS_FULL_URI'
OURS = "$AWS_CONTAINER_AUTHORIZATION_TOKEN"


async def test_an_sdk_there_gets_credentials_over_a_restart_until_the_grant_is_revoked(
    world: World, tmp_path: Path
) -> None:
    """No other token opens anything there, a profile's own neither. The end is told there, and here at the end."""
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(sshd(tmp_path / "there"))
        async with world.serve():
            opened = await stack.enter_async_context(shell(world, there))
            by_profiles = await opened.says(CURL.format(world.token()))
        async with world.serve():
            first = await opened.says(f"AWS_ENDPOINT_URL_STS={world.sts.url} {WHO}")
            await world.run("revoke", "there")
            async with asyncio.timeout(PATIENCE_SECONDS):
                # Until the command has found the next daemon, nobody answers.
                while not (revoked := await opened.says(CURL.format(OURS) + "; true")).endswith("401"):
                    await asyncio.sleep(0.1)
            code, err = await opened.ended("exit 5\n")
            left = json.loads((await world.run("grants", "--json")).out)

    assert (ARN, "401") == (first, by_profiles[-3:])
    assert '"code": "Unauthorized"' in revoked
    assert (5, [], True) == (code, left, "mayfly: warning: there got no more credentials: " in err)
