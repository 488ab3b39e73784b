"""The worlds that are measured: as many sources as wanted, each with an item, a user and an MFA device of its own.

One device gives one code in 30 seconds, so several cold logins need several devices.
"""

from __future__ import annotations

import tempfile

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.world import SEED_ACCOUNT, World

from mayfly.demo.op.vault import Vault
from mayfly.demo.sts.server import Account, EmbeddedSts, Role, User


OP_SECONDS = 1.0
STS_SECONDS = 0.2

_SOURCE = """
[profiles.{name}]
{onepassword}access_key_id = "op://NSRC/{name}/access_key_id"
secret_access_key = "op://NSRC/{name}/secret_access_key"
otp = "op://NSRC/{name}/totp"
mfa_id = "op://NSRC/{name}/mfa_id"
"""
_ROLE = """
[profiles.{name}]
source_profile = "{source}"
role_arn = "arn:aws:iam::{account}:role/{name}"
"""
_SECOND_ACCOUNT = """
[onepasswords.second]
account = "second.1password.com"
"""


@asynccontextmanager
async def stage(*, sources: int = 1, roles: int = 0, accounts: int = 1) -> AsyncIterator[World]:
    """A world with profiles s0, s1, … and, above them by turns, r0, r1, …; its STS is up, its daemon is not."""
    with tempfile.TemporaryDirectory(prefix="mayfly-bench-") as folder:
        world = World(Path(folder))
        users = tuple(_user(world, f"s{number}") for number in range(sources))
        account = Account(
            account_id=SEED_ACCOUNT,
            users=users,
            roles=tuple(Role(name=f"r{number}") for number in range(roles)),
        )
        world.write_toml("".join(_config(sources, roles, accounts)))
        if accounts > 1:
            first = world.vault.state()["accounts"][0]
            second = first | {"url": "second.1password.com", "account_uuid": "B" * 26}
            world.vault.update(accounts=[first, second])
        async with EmbeddedSts(account) as sts:
            world.sts = sts
            yield world


def slow(world: World) -> None:
    """From now on `op` takes a second and STS a fifth of one."""
    world.vault.update(latency_s=OP_SECONDS)
    world.sts.faults.latency_seconds = STS_SECONDS


def calls(world: World, action: str = "") -> int:
    """How many calls STS has seen: all, or those of one action."""
    return sum(not action or call.action == action for call in world.sts.calls)


def _user(world: World, name: str) -> User:
    keys = Vault(mfa_id=f"arn:aws:iam::{SEED_ACCOUNT}:mfa/{name}")
    world.vault.add_item(
        name,
        {
            "access_key_id": keys.access_key_id,
            "secret_access_key": keys.secret_access_key,
            "totp": keys.totp_seed,
            "mfa_id": keys.mfa_id,
        },
    )
    return User(
        name=name,
        user_id="AIDA" + name.upper().rjust(17, "0"),
        access_key_id=keys.access_key_id,
        secret_access_key=keys.secret_access_key,
        mfa_serial=keys.mfa_id,
        totp_seed=keys.totp_seed,
    )


def _config(sources: int, roles: int, accounts: int) -> Iterable[str]:
    if accounts > 1:
        yield _SECOND_ACCOUNT
    for number in range(sources):
        second = 'onepassword = "second"\n' if number % accounts else ""
        yield _SOURCE.format(name=f"s{number}", onepassword=second)
    for number in range(roles):
        yield _ROLE.format(name=f"r{number}", source=f"s{number % sources}", account=SEED_ACCOUNT)
