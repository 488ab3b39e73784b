"""`mayfly init` for people whose one-time passwords are in no item: a program prints them, or there is no MFA."""

from __future__ import annotations

import tomllib

from typing import Any

import pytest

from support.codes import Authenticator
from support.world import SEED_ACCOUNT, Ended, World


SERIAL = f"arn:aws:iam::{SEED_ACCOUNT}:mfa/carmas"
ARN = f'"Arn": "arn:aws:iam::{SEED_ACCOUNT}:user/carmas"'


@pytest.fixture(name="new")
def _new(world: World) -> World:
    """A user without a config, whose item has the access key and nothing else."""
    world.config.unlink()
    world.config = world.config.with_name("config.toml")
    items = world.vault.state()["items"]
    for item in items:
        item["fields"] = [field for field in item["fields"] if field["label"] not in {"totp", "mfa_id"}]
    world.vault.update(items=items)
    return world


async def init(world: World, *argv: str) -> Ended:
    """`init` with answers for all but the one-time password."""
    return await world.run("init", "--yes", "--profile", "p", *argv, env={"AWS_ENDPOINT_URL_IAM": world.sts.url})


def profile(world: World) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(world.config.read_text())["profiles"]["p"]
    return found


async def test_codes_from_a_program(new: World) -> None:
    """Its words are in the config, AWS names the device, and a login works; a second run has nothing to write."""
    key = Authenticator(new)
    command = ("--otp-command", f"{key.path} code 'my AWS'")
    ended = await init(new, *command, "--login")
    again = await init(new, *command)

    assert (0, True) == (ended.code, ARN in ended.out), ended.err
    assert {"access_key_id", "secret_access_key", "otp_command", "mfa_id"} == profile(new).keys()
    assert ([str(key.path), "code", "my AWS"], SERIAL) == (profile(new)["otp_command"], profile(new)["mfa_id"])
    assert [["code", "my AWS"]] == [run["argv"] for run in key.runs]
    assert (0, True) == (again.code, "with these keys already: nothing is to be written" in again.err)


async def test_a_user_without_mfa(new: World) -> None:
    """No device is asked for, a login works, and that it is weaker is said."""
    ended = await init(new, "--no-mfa", "--login")
    again = await init(new, "--no-mfa")

    assert (0, True) == (ended.code, ARN in ended.out), ended.err
    assert "mayfly: warning: without MFA nothing but the access key protects the AWS account\n" in ended.err
    assert {"access_key_id", "secret_access_key"} == profile(new).keys()
    assert (0, 0) == (new.sts.calls_of("ListMFADevices"), again.code)
    assert "with these keys already: nothing is to be written" in again.err


async def test_each_source_is_named_where_there_is_no_code(new: World) -> None:
    """Another item, a program, no MFA: an option each."""
    ended = await init(new)

    assert 2 == ended.code
    assert ["--otp-item op://VAULT/ITEM", "ykman oath accounts code --single AWS'", "--no-mfa"] == [
        line.partition("--otp-command '")[2] or line.rpartition(": ")[2] for line in ended.err.splitlines()[-3:]
    ]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--no-mfa", "--otp-command", "c"], "--otp-command and --no-mfa contradict each other: give one of them"),
        (["--otp-item", "op://a/b", "--otp-command", "c"], "--otp-item and --otp-command contradict each other"),
        (["--no-mfa", "--mfa-id", SERIAL], "--no-mfa and --mfa-id contradict each other"),
        (["--no-mfa", "--field", "mfa_id=x"], "--no-mfa and --field mfa_id=x contradict each other"),
        (["--otp-command", "c", "--field", "otp=x"], "--otp-command and --field otp=x contradict each other"),
        (["--otp-command", "c 'x"], "--otp-command: No closing quotation"),
        (["--otp-command", " "], "--otp-command is empty"),
        (["--otp-command", "keyman-of-nobody code"], "--otp-command: keyman-of-nobody is not on PATH"),
    ],
)
async def test_what_cannot_be_is_refused_before_anybody_is_asked(new: World, argv: list[str], words: str) -> None:
    """Exit code 2, and no prompt."""
    ended = await init(new, *argv)

    assert (2, True, 0) == (ended.code, words in ended.err, new.vault.state()["prompts"])
    assert not new.config.exists()
