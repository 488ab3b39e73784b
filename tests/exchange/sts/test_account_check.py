"""Credentials of another account than the configured one never leave the exchange."""

from __future__ import annotations

import pytest

from mayfly.demo.op.vault import Vault
from mayfly.demo.sts.faults import WRONG_ACCOUNT_ID
from mayfly.demo.sts.service import StsService
from support.exchange import Answer, ask, login
from support.world import ITEM, SEED_ACCOUNT, SEED_TOML, VAULT, World


OTHER = "111111111111"
ADMIN = f"""
[profiles.admin]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"
"""
READER = ADMIN.replace("admin", "reader").replace("Admin", "Reader").replace('"nsrc"', '"admin"')


def with_hardware_device(world: World) -> None:
    """Give the user a hardware device, whose serial number names no account."""
    world.vault = Vault(mfa_id="GAHT12345678")
    world.vault.install(world.folder / "op")
    world.sts.account = world.account(*world.sts.account.roles)
    world.sts._service = StsService(world.sts.account)


def refused(ended: Answer, profile: str) -> str:
    error = ended.error(profile)
    assert ("AccountMismatch", 400, False) == (error.code, error.http_status, error.retryable)
    assert error.hint
    return error.message


async def test_the_account_of_the_device_is_that_of_the_session(world: World) -> None:
    """The device's ARN names the account of its user, so a login stays one call."""
    world.write_toml(f'{SEED_TOML}account_id = "{SEED_ACCOUNT}"\n')
    ended = await ask(world, login(world))

    assert SEED_ACCOUNT == ended.credentials("nsrc").account_id
    assert ["GetSessionToken"] == [call.action for call in world.sts.calls]


async def test_a_device_of_another_account_is_refused(world: World) -> None:
    """A device that belongs to another account than the config's is refused."""
    world.write_toml(f'{SEED_TOML}account_id = "{OTHER}"\n')
    message = refused(await ask(world, login(world)), "nsrc")

    whose = f"the credentials of op://{VAULT}/{ITEM}/access_key_id"
    assert f"{whose} are of account {SEED_ACCOUNT}, and the config wants {OTHER}" == message


async def test_where_the_device_says_nothing_aws_is_asked(world: World) -> None:
    """A hardware serial names no account: GetCallerIdentity with the new session does, in the same exchange."""
    with_hardware_device(world)
    world.write_toml(f'{SEED_TOML}account_id = "{SEED_ACCOUNT}"\n')
    ended = await ask(world, login(world))

    assert SEED_ACCOUNT == ended.credentials("nsrc").account_id
    assert ["GetSessionToken", "GetCallerIdentity"] == [call.action for call in world.sts.calls]
    assert 1 == len(world.vault.calls())


async def test_what_aws_says_of_such_a_session_counts(world: World) -> None:
    """A session of another account than the config's is refused, although item and config could not tell."""
    with_hardware_device(world)
    world.write_toml(f'{SEED_TOML}account_id = "{OTHER}"\n')
    message = refused(await ask(world, login(world)), "nsrc")

    assert f"account {SEED_ACCOUNT}, and the config wants {OTHER}" in message


async def test_nobody_asks_who_does_not_want_to_know(world: World) -> None:
    """Without account_id a login is one call, also with a hardware device."""
    with_hardware_device(world)
    world.write_toml()
    ended = await ask(world, login(world))

    assert ended.credentials("nsrc").account_id is None
    assert ["GetSessionToken"] == [call.action for call in world.sts.calls]


async def test_a_session_that_cannot_be_asked_about_is_not_believed(world: World) -> None:
    """If AWS does not say whose session it is, the session is not handed over."""
    with_hardware_device(world)
    world.write_toml(f'{SEED_TOML}account_id = "{SEED_ACCOUNT}"\n')
    world.sts.faults.then("ok", "throttle", "throttle", "throttle", "throttle")
    ended = await ask(world, login(world))

    assert {"nsrc": "AwsThrottled"} == ended.verdicts


@pytest.mark.parametrize("stated", ["", f'account_id = "{SEED_ACCOUNT}"\n'])
async def test_a_role_is_of_the_account_that_aws_says(world: World, stated: str) -> None:
    """The answer names the account of the role's session; another one than the config's is refused."""
    world.write_toml(SEED_TOML + ADMIN + stated)
    world.sts.faults.then("ok", "wrong-account")
    ended = await ask(world, login(world, "nsrc", "admin"))

    assert f"account {WRONG_ACCOUNT_ID}, and the config wants {SEED_ACCOUNT}" in refused(ended, "admin")
    assert SEED_ACCOUNT == ended.credentials("nsrc").account_id


async def test_a_chain_ends_where_the_account_changes(world: World) -> None:
    """No role is assumed from a role that turned out to belong to another account."""
    world.write_toml(SEED_TOML + ADMIN + READER)
    world.sts.faults.then("ok", "wrong-account")
    ended = await ask(world, login(world, "nsrc", "admin", "reader"))

    assert {"nsrc": "Credentials", "admin": "AccountMismatch", "reader": "AccountMismatch"} == ended.verdicts
    assert 1 == world.sts.calls_of("AssumeRole")


async def test_a_role_with_a_code_of_its_own_is_checked_too(world: World) -> None:
    """With `mfa = "each"` the answer names the account, also with a hardware device."""
    with_hardware_device(world)
    world.write_toml(SEED_TOML + ADMIN + f'account_id = "{SEED_ACCOUNT}"\nmfa = "each"\n')
    world.sts.faults.then("wrong-account")
    ended = await ask(world, login(world, "admin"))

    assert f"account {WRONG_ACCOUNT_ID}, and the config wants {SEED_ACCOUNT}" in refused(ended, "admin")
    assert ["AssumeRole"] == [call.action for call in world.sts.calls]
