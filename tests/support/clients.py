"""Unmodified AWS clients in a shell, and what a shell may hold that leads them astray."""

from __future__ import annotations

import sys

from support.world import SEED_ACCOUNT, SEED_TOML, which


WITH_REGION = SEED_TOML + 'region = "us-east-1"\n'
ARN = f"arn:aws:iam::{SEED_ACCOUNT}:user/carmas"

# A line for a shell by the client's name; each prints the ARN of the user that AWS takes it for.
CLIENTS = {
    "aws": f"{which('aws')} sts get-caller-identity --query Arn --output text",
    "boto3": f"""{sys.executable} -c '
import boto3
print(boto3.client("sts").get_caller_identity()["Arn"])'""",
    "aiobotocore": f"""{sys.executable} -c '
import asyncio, aiobotocore.session
async def main():
    async with aiobotocore.session.get_session().create_client("sts") as sts:
        print((await sts.get_caller_identity())["Arn"])
asyncio.run(main())'""",
}

# Other credentials, which would win over the endpoint's.
HOSTILE = {
    "AWS_PROFILE": "missing",
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_SESSION_TOKEN": "x",
    "AWS_REGION": "us-west-2",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere",
}
