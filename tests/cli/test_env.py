"""`mayfly env`: the command, and real clients after an eval."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from mayfly.demo.op.vault import ITEM, VAULT
from support.clients import ARN, CLIENTS, HOSTILE, WITH_REGION
from support.world import SEED_TOML, World


async def changes(world: World, *argv: str, env: dict[str, str] | None = None) -> dict[str, str | None]:
    ended = await world.run("env", *argv, "--shell", "json", env=env)
    assert (0, "") == (ended.code, ended.err)
    found: dict[str, str | None] = json.loads(ended.out)
    return found


async def test_env_needs_no_daemon_and_no_name_where_there_is_one(world: World) -> None:
    """The only profile is used; its token is made if it is missing, and kept."""
    first = await changes(world)
    second = await changes(world, "nsrc")

    assert first == second
    assert world.token() == first["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    assert f"{world.url}/credentials/nsrc" == first["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    assert ("us-east-1", "us-east-1") == (first["AWS_REGION"], first["AWS_DEFAULT_REGION"])


ROLES = """
[profiles.role]
source_profile = "nsrc"
role_arn = "arn:aws:iam::058264411872:role/Admin"
[profiles.far]
source_profile = "role"
role_arn = "arn:aws-cn:iam::058264411872:role/Far"
[profiles.circle]
source_profile = "circle"
"""


@pytest.mark.parametrize(
    ("config", "profile", "region"),
    [
        (SEED_TOML + ROLES, "role", "us-east-1"),
        (SEED_TOML + ROLES, "far", "cn-northwest-1"),
        (SEED_TOML + ROLES, "circle", "us-east-1"),
        (SEED_TOML.replace(f'"op://{VAULT}/{ITEM}/mfa_id"', '"arn:aws-us-gov:iam::1:mfa/me"'), "nsrc", "us-gov-west-1"),
        (SEED_TOML + 'region = "eu-west-3"\n' + ROLES, "far", "eu-west-3"),
        (SEED_TOML + 'region = "a b"\n' + ROLES, "role", "us-east-1"),
    ],
)
async def test_a_profile_without_a_region_has_the_fallback(
    world: World, config: str, profile: str, region: str
) -> None:
    """The fallback is the region of the nearest source, else the first region of the partition."""
    world.write_toml(config)

    assert region == (await changes(world, profile))["AWS_REGION"]


async def test_a_region_in_default_is_the_users(world: World) -> None:
    """SDKs take it if no profile is named, so no fallback is set."""
    file = world.home / ".aws/config"
    file.parent.mkdir()
    file.write_text("[default]\nregion = us-west-2\n[profile x]\nregion = x\n")
    elsewhere = {"AWS_CONFIG_FILE": str(world.home / "nowhere")}

    assert "AWS_REGION" not in await changes(world)
    assert "us-east-1" == (await changes(world, env=elsewhere))["AWS_REGION"]


async def test_env_can_name_the_tokens_file(world: World) -> None:
    """--token-file sets the path of a file that has the token and nothing else."""
    found = await changes(world, "--token-file")

    assert str(world.run_dir / "tokens/nsrc") == found["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    assert 43 == len(world.token())
    assert found["AWS_CONTAINER_AUTHORIZATION_TOKEN"] is None


async def test_env_writes_for_the_shell_of_the_user(world: World) -> None:
    """With fish as $SHELL the output is for fish; --shell wins over $SHELL."""
    by_variable = await world.run("env", env={"SHELL": "/usr/bin/fish"})
    by_option = await world.run("env", "--shell", "posix", env={"SHELL": "/usr/bin/fish"})

    assert "set -gx MAYFLY_PROFILE 'nsrc';" in by_variable.out.splitlines()
    assert "export MAYFLY_PROFILE='nsrc';" in by_option.out.splitlines()


async def test_off_needs_no_config(world: World) -> None:
    """--off works without a config, and removes the region only if we have set it."""
    world.write_toml(WITH_REGION)
    after = await changes(world)
    world.config.unlink()
    ours = {name: value for name, value in after.items() if value is not None}

    assert dict.fromkeys(ours) | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": None} == await changes(
        world, "--off", env=ours
    )
    assert "AWS_REGION" not in await changes(world, "--off", env=ours | {"AWS_REGION": "us-west-2"})


async def test_a_path_in_another_encoding_comes_out_as_it_went_in(world: World) -> None:
    """The path of a runtime folder that is no UTF-8 is printed byte for byte."""
    folder = os.fsencode(world.folder) + b"/run-\xff"
    env = {name.encode(): value.encode() for name, value in world.env.items()} | {b"MAYFLY_RUNTIME_DIR": folder}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "env", "--token-file"), stdout=asyncio.subprocess.PIPE, env=env
    )

    assert b"_TOKEN_FILE='" + folder + b"/tokens/nsrc';" in (await process.communicate())[0]


async def test_on_a_terminal_env_says_how_to_use_it(world: World) -> None:
    """A user who runs `env` by hand is told the line to type."""
    master, slave = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "env", "nsrc"), stdout=slave, stderr=asyncio.subprocess.PIPE, env=world.env
    )
    _, err = await process.communicate()
    os.close(slave)
    os.close(master)

    assert b'mayfly: hint: to use it: eval "$(mayfly env nsrc)"\n' == err


TWO = WITH_REGION + WITH_REGION.replace("nsrc]", "other]")


@pytest.mark.parametrize(
    ("config", "argv", "expected"),
    [
        (TWO, [], "which profile? {} has nsrc, other"),
        (TWO, ["nsr"], "{} has no profile 'nsr': did you mean nsrc?"),
        (TWO, ["zz"], "{} has no profile 'zz': it has nsrc, other"),
        ("", [], "{}: has no profiles"),
        ("[profiles]\nnsrc = 1", [], "{}: has no profiles"),
        ('[profiles."../x"]\n', [], '{}: profiles."../x": is no profile name'),
        ('[profiles."a\\n"]\n', [], '{}: profiles."a\\n": is no profile name'),
        ("[profiles.p]\nregion = 'a b'\n", [], "{}: profiles.p.region: is no region"),
        ("[profiles.p]\nregion = 1\n", [], "{}: profiles.p.region: is no region"),
        ("listen = 'localhost:1'\n[profiles.p]\n", [], "MAYFLY_LISTEN or {}: listen: "),
        ("listen = 80\n[profiles.p]\n", [], "MAYFLY_LISTEN or {}: listen: "),
        ("listen = '127.0.0.1:0'\n[profiles.p]\n", [], "MAYFLY_LISTEN or {}: listen: port 0 is another one each time"),
        ("= nonsense", [], "{}: is not TOML"),
    ],
)
async def test_a_config_that_cannot_be_used_is_reported_in_a_line(
    world: World, config: str, argv: list[str], expected: str
) -> None:
    """The exit code is 2, there is nothing to evaluate, and the reason names file and key."""
    world.write_toml(config)

    ended = await world.run("env", *argv, env={"MAYFLY_LISTEN": ""})

    assert (2, "") == (ended.code, ended.out)
    assert ended.err.startswith("mayfly: error: " + expected.format(world.config))


async def test_a_config_elsewhere_can_be_named(world: World) -> None:
    """--config FILE is read in the place of the usual config."""
    other = world.folder / "other.toml"
    other.write_text("[profiles.there]")

    assert "there" == (await changes(world, "--config", str(other)))["MAYFLY_PROFILE"]


async def test_a_runtime_folder_that_cannot_be_made_is_no_traceback(world: World) -> None:
    """The line names the path that is in the way."""
    world.run_dir.mkdir(mode=0o700)
    (world.run_dir / "tokens").write_text("in the way")

    ended = await world.run("env")

    assert 2 == ended.code
    assert ended.err.startswith(f"mayfly: error: {world.run_dir}/tokens/nsrc: cannot be made or read: ")


# Clients after an eval.


@pytest.mark.parametrize("client", CLIENTS)
async def test_after_an_eval_every_client_is_who_the_vault_says(world: World, client: str) -> None:
    """In a shell with other credentials, one eval is enough for an unmodified client."""
    world.write_toml(WITH_REGION)
    async with world.serve():
        ended = await world.run_program("sh", "-c", f'eval "$(mayfly env nsrc)"; {CLIENTS[client]}', env=HOSTILE)

    assert (0, ARN + "\n", "") == (ended.code, ended.out, ended.err)


async def test_after_an_eval_the_aws_cli_needs_no_region(world: World) -> None:
    """It works without a region in the config and in the home."""
    async with world.serve():
        ended = await world.run_program("sh", "-c", f'eval "$(mayfly env nsrc)"; {CLIENTS["aws"]}')

    assert (0, ARN + "\n", "") == (ended.code, ended.out, ended.err)


async def test_a_client_of_the_tokens_file_works(world: World) -> None:
    """SDKs that read the token's file work with --token-file."""
    world.write_toml(WITH_REGION)
    async with world.serve():
        script = f'eval "$(mayfly env --token-file)"; {CLIENTS["boto3"]}'
        ended = await world.run_program("bash", "-c", script, env=HOSTILE)

    assert (0, ARN + "\n", "") == (ended.code, ended.out, ended.err)


async def test_two_shells_share_one_login(world: World) -> None:
    """Two shells at once run `op` once and get the same session."""
    world.write_toml(WITH_REGION)
    script = f'eval "$(mayfly env nsrc)"; {CLIENTS["boto3"]}'
    async with world.serve():
        ended = await asyncio.gather(*(world.run_program("sh", "-c", script) for _ in range(2)))

    assert [(0, ARN + "\n")] * 2 == [(one.code, one.out) for one in ended]
    assert 1 == len(world.vault.calls())
    assert 1 == [call.action for call in world.sts.calls].count("GetSessionToken")


async def test_a_shell_outlives_the_daemon(world: World) -> None:
    """The variables that a shell has set before the first daemon work with it, and with the next one."""
    world.write_toml(WITH_REGION)
    told = {name: value or "" for name, value in (await changes(world)).items()}
    async with world.serve() as first:
        pass
    async with world.serve() as second:
        ended = await world.run_program("sh", "-c", CLIENTS["boto3"], env=told)

    assert first.pid != second.pid
    assert (0, ARN + "\n") == (ended.code, ended.out)


@pytest.mark.parametrize("command", ["env", "exec"])
async def test_help_says_who_needs_the_token_file(world: World, command: str) -> None:
    """The three that take no token but from a file."""
    text = " ".join((await world.run(command, "--help")).out.split())

    assert "--token-file for object_store, polars and deltalake:" in text
