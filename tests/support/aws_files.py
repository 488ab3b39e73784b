"""The files in ~/.aws of a world, and SDKs that read them."""

from __future__ import annotations

import sys

from pathlib import Path

from support.world import Ended, World, which


SDK = """
import boto3
print(boto3.Session(profile_name="nsrc").client("sts").get_caller_identity()["Arn"])
"""


def aws_config_of(world: World) -> Path:
    return Path(world.home, ".aws/config")


def backups_of(world: World) -> list[Path]:
    return sorted(aws_config_of(world).parent.glob("config.mayfly-backup-*"))


async def use(world: World, *, path: str = "") -> list[Ended]:
    """The user that boto3 and the AWS CLI are with the profile, without the endpoint's variables."""
    env = {"PATH": path}
    cli = ("--profile", "nsrc", "sts", "get-caller-identity", "--output", "text", "--query", "Arn")
    return [
        await world.run_program(sys.executable, "-c", SDK, env=env),
        await world.run_program(sys.executable, which("aws"), *cli, env=env),
    ]
