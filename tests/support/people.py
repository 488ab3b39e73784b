"""The kit for tests with several people, items, accounts or roles: `inhabited` makes their world."""

from __future__ import annotations

import asyncio
import json

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from mayfly.demo.op.vault import VAULT, Vault
from mayfly.demo.sts.server import Account, Call, EmbeddedSts, Role, User
from support.exchange import Clock, alive_of, program
from support.nursery import MAYFLY
from support.world import PATIENCE_SECONDS, SEED_ACCOUNT, Reply, Served, World


ROLES = f"arn:aws:iam::{SEED_ACCOUNT}:role"
SECOND_ACCOUNT = "second.1password.com"
SECOND = f'[onepasswords.second]\naccount = "{SECOND_ACCOUNT}"\n'


def user_in(vault: Vault, name: str, account_id: str = SEED_ACCOUNT) -> User:
    """A user of the AWS account whose keys and device are in an item of the same name, which is added to the vault."""
    keys = Vault(mfa_id=f"arn:aws:iam::{account_id}:mfa/{name}")
    fields = {
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key,
        "totp": keys.totp_seed,
        "mfa_id": keys.mfa_id,
    }
    vault.add_item(name, fields)
    return User(
        name=name,
        user_id="AIDA" + name.upper().replace("-", "X").rjust(17, "0"),
        access_key_id=keys.access_key_id,
        secret_access_key=keys.secret_access_key,
        mfa_serial=keys.mfa_id,
        totp_seed=keys.totp_seed,
    )


def keys(name: str, *lines: str, item: str = "", vault: str = VAULT) -> str:
    """A profile with keys, from the item of the profile's name unless `item` names another."""
    where = f"op://{vault}/{item or name}"
    references = {field: f"{where}/{field}" for field in ("access_key_id", "secret_access_key", "mfa_id")}
    texts = [f'{key} = "{value}"' for key, value in (references | {"otp": f"{where}/totp"}).items()]
    return "\n".join([f"[profiles.{name}]", *texts, *lines, "", ""])


def role(name: str, source: str, *lines: str, arn: str = "") -> str:
    """A profile with a role, the one of the profile's name unless `arn` names another."""
    head = [f"[profiles.{name}]", f'source_profile = "{source}"', f'role_arn = "{arn or f"{ROLES}/{name}"}"']
    return "\n".join([*head, *lines, "", ""])


@asynccontextmanager
async def inhabited(
    folder: Path, people: Iterable[str], roles: Sequence[Role] = (), clock: Clock | None = None
) -> AsyncIterator[World]:
    """A world whose vault has an item for each of `people`, whose STS knows them, and whose `op` knows two accounts."""
    world = World(folder, MAYFLY)
    users = tuple(user_in(world.vault, name) for name in people)
    first = world.vault.state()["accounts"][0]
    world.vault.update(accounts=[first, first | {"url": SECOND_ACCOUNT, "account_uuid": "B" * 26}])
    account = Account(account_id=SEED_ACCOUNT, users=users, roles=tuple(roles))
    async with EmbeddedSts(account, **({"clock": clock} if clock else {})) as sts:
        world.sts = sts
        yield world
    assert [] == alive_of(world)


def calls_of(world: World, action: str) -> list[Call]:
    return [call for call in world.sts.calls if call.action == action]


def counts(world: World) -> tuple[int, int, int]:
    """How often `op` ran, and how often STS was called for a session and for a role."""
    state = world.vault.state()
    return state["calls"], world.sts.calls_of("GetSessionToken"), world.sts.calls_of("AssumeRole")


async def fetch_all(world: World, names: Iterable[str]) -> dict[str, Reply]:
    """Fetch the credentials of every profile, all at once."""
    names = list(names)
    return dict(zip(names, await asyncio.gather(*(world.get(f"/credentials/{name}") for name in names)), strict=True))


def keys_in(replies: dict[str, Reply]) -> dict[str, str]:
    return {name: reply.json["AccessKeyId"] for name, reply in replies.items()}


def life_seconds(reply: Reply, now: datetime) -> float:
    """How long from `now` until the credentials in an answer expire."""
    return (datetime.fromisoformat(reply.json["Expiration"]) - now).total_seconds()


def early(world: World) -> str:
    """A 1Password table whose `op` waits for the file early/go, and a profile `early` that uses it."""
    op = program(
        world.folder / "early/op",
        f'#!/bin/sh\nuntil [ -e {world.folder}/early/go ]; do sleep 0.05; done\nexec {world.op} "$@"\n',
    )
    return f'[onepasswords.early]\nop = "{op}"\n' + keys("early", 'onepassword = "early"')


async def fetch_together(
    world: World, daemon: Served, names: Iterable[str], times: int = 1
) -> list[asyncio.Task[dict[str, Reply]]]:
    """Fetch all of `names` while the login of `early` runs, and let that one end once all the others are seen to wait.

    So they arrive together, however slow the machine is. The login of `early` counts as one `op`, one session and one
    exchange.
    """
    first = asyncio.create_task(world.get("/credentials/early"))
    await daemon.event("exchange.started")
    names = list(names)
    asked = [asyncio.create_task(fetch_all(world, names)) for _ in range(times)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not {row["profile"] for row in await rows_of(world) if row["in_flight"]} >= set(names):
            await asyncio.sleep(0.05)
    (world.folder / "early/go").touch()
    assert 200 == (await first).status
    return asked


async def rows_of(world: World) -> list[dict[str, Any]]:
    """The rows of `mayfly status`, one a profile."""
    rows: list[dict[str, Any]] = json.loads((await world.run("status", "--json")).out)["profiles"]
    return rows
