"""AWS's own writer and readers of ~/.aws/config, as judges of what Mayfly has written."""

from __future__ import annotations

import sys

from support.aws_files import aws_config_of, backups_of, use
from support.clients import ARN
from support.world import SEED_TOML, World


_CONFIGURE = """
import sys
from awscli.clidriver import create_clidriver
for line in sys.argv[1:]:
    if code := create_clidriver().main(["configure", *line.split()]):
        sys.exit(code)
"""


async def configure(world: World, *lines: str) -> str:
    """What `aws configure LINE` prints, for each line, by one process: its imports take longer than all it does."""
    ended = await world.run_program(sys.executable, "-c", _CONFIGURE, *lines)
    assert 0 == ended.code, ended
    return ended.out


async def boto3_profiles(world: World) -> list[str]:
    # `aws configure list-profiles` of version 2 is botocore's own list; version 1 has no such command.
    program = "import boto3; print(*boto3.Session().available_profiles)"
    return sorted((await world.run_program(sys.executable, "-c", program)).out.split())


MINE = "[profile mine]\nregion = eu-west-1\n"


async def test_what_aws_configure_set_stays_in_its_profile(world: World) -> None:
    """Its writer puts a key before the next section, among our lines; the next write neither moves nor drops it."""
    config = aws_config_of(world)
    config.parent.mkdir()
    config.write_text(MINE)
    await world.run("aws-config", "--write")
    await configure(
        world,
        "set endpoint_url http://mine --profile mine",
        "set endpoint_url http://nsrc --profile nsrc",
        "set s3.addressing_style path --profile nsrc",
    )
    world.write_toml(SEED_TOML + 'region = "eu-central-1"\n' + SEED_TOML.replace("profiles.nsrc", "profiles.new"))
    ended = await world.run("aws-config", "--write")

    assert 0 == ended.code
    assert ["http://mine", "http://nsrc", "path", "eu-central-1"] == (
        await configure(
            world,
            "get endpoint_url --profile mine",
            "get endpoint_url --profile nsrc",
            "get s3.addressing_style --profile nsrc",
            "get region --profile nsrc",
        )
    ).splitlines()
    assert ["mine", "new", "nsrc"] == await boto3_profiles(world)


async def test_a_role_of_another_profile_is_not_given_to_ours(world: World) -> None:
    """A role that `aws configure` set for the profile above ours is not our profile's account."""
    config = aws_config_of(world)
    config.parent.mkdir()
    config.write_text(MINE)
    async with world.serve():
        await world.run("aws-config", "--write")
        await configure(
            world,
            "set role_arn arn:aws:iam::111122223333:role/x --profile mine",
            "set source_profile nsrc --profile mine",
        )
        await world.run("aws-config", "--write", "--prefix", "p-")
        ended = await world.run("aws-config", "--write")
        used = await use(world)

    assert 0 == ended.code
    assert [(0, f"{ARN}\n")] * 2 == [(end.code, end.out) for end in used]
    assert "arn:aws:iam::111122223333:role/x\n" == await configure(world, "get role_arn --profile mine")


async def test_keys_that_went_with_a_profile_are_named(world: World) -> None:
    """The profile's section goes; the backup still has the user's keys."""
    world.write_toml(SEED_TOML + SEED_TOML.replace("profiles.nsrc", "profiles.gone"))
    await world.run("aws-config", "--write")
    await configure(world, "set endpoint_url http://mine --profile gone")
    world.write_toml(SEED_TOML)
    ended = await world.run("aws-config", "--write")
    config = aws_config_of(world)

    assert 0 == ended.code
    assert f"mayfly: {config}: removed gone\n" in ended.err
    assert f"mayfly: warning: {config}: with gone went your endpoint_url: the backup has them\n" in ended.err
    assert "endpoint_url = http://mine" in backups_of(world)[-1].read_text()
    assert ["nsrc"] == await boto3_profiles(world)


async def test_replace_gives_a_profile_to_mayfly(world: World) -> None:
    """Beside a role botocore passes over credential_process: --replace takes the role out."""
    config = aws_config_of(world)
    config.parent.mkdir()
    config.write_text(f"[profile nsrc]\nrole_arn = x\nsource_profile = mine\nmfa_serial = y\noutput = text\n{MINE}")
    before = config.read_text()
    async with world.serve():
        kept = await world.run("aws-config", "--write")
        ended = await world.run("aws-config", "--write", "--replace")
        used = await use(world)

    assert (1, True) == (kept.code, "mayfly aws-config --write --replace\n" in kept.err)
    assert (0, before) == (ended.code, backups_of(world)[0].read_text())
    assert f"mayfly: {config}: took role_arn, source_profile, mfa_serial out of nsrc\n" in ended.err
    assert [(0, f"{ARN}\n")] * 2 == [(end.code, end.out) for end in used]
    assert "text\n" == await configure(world, "get output --profile nsrc")


async def test_a_role_in_our_own_section_is_told(world: World) -> None:
    """It is the user's, and stays, but the profile is another account's: exit 1, and the way out."""
    await world.run("aws-config", "--write")
    await configure(world, "set role_arn arn:aws:iam::111122223333:role/x --profile nsrc")
    ended = await world.run("aws-config", "--write")
    mended = await world.run("aws-config", "--write", "--replace")

    assert (1, 0) == (ended.code, mended.code)
    assert "config: nsrc has role_arn, which SDKs take before credential_process\n" in ended.err
    assert "role_arn" not in aws_config_of(world).read_text()
