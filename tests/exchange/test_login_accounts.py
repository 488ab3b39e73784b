"""Several 1Password tables in one config."""

from __future__ import annotations

import sys

from pathlib import Path

import pytest

from mayfly.demo.op.vault import Vault
from mayfly.demo.sts.server import Account, EmbeddedSts, Role, User
from support.exchange import alive_of, program
from support.nursery import MAYFLY
from support.people import fetch_all, keys, role, user_in
from support.world import SEED_ACCOUNT, World


TOKEN = "ops_made-up-token"
OTHER_TOKEN = "ops_another-made-up-token"
CONNECT_TOKEN = "made-up-connect-token"


class Ways:
    """Four 1Password tables, each with a stand-in `op` and a vault of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.users: list[User] = []
        self.vaults: dict[str, Vault] = {}
        secret = world.folder / "secret"
        secret.mkdir(mode=0o700)
        for name, token in (("file", TOKEN), ("server", CONNECT_TOKEN)):
            (secret / name).write_text(token + "\n")
            (secret / name).chmod(0o600)
        teller = program(secret / "teller", f"#!{sys.executable} -I\nprint({OTHER_TOKEN!r})\n")
        self.text = "".join(
            (
                self._way("desk", "desktop", {}, []),
                self._way("robot", "service", {"service_token": TOKEN}, [f'token_file = "{secret}/file"']),
                self._way("helper", "service", {"service_token": OTHER_TOKEN}, [f'token_command = ["{teller}"]']),
                self._way(
                    "server",
                    "connect",
                    {"connect_token": CONNECT_TOKEN},
                    ['connect_host = "http://127.0.0.1:1"', f'connect_token_file = "{secret}/server"'],
                ),
            )
        )

    def _way(self, name: str, mode: str, state: dict[str, str], lines: list[str]) -> str:
        vault = self.vaults[name] = Vault()
        op = vault.install(self._world.folder / f"op-{name}")
        vault.update(mode=mode, **state)
        self.users.append(user_in(vault, name))
        table = "\n".join([f"[onepasswords.{name}]", f'op = "{op}"', *lines, "", ""])
        return table + keys(name, f'onepassword = "{name}"')


async def test_all_ways_to_1password_work_side_by_side(tmp_path: Path) -> None:
    """Desktop app, service accounts by file and by command, and Connect in one config.

    Each opens its own profiles, by its own `op` and with its own token alone.
    """
    world = World(tmp_path, MAYFLY)
    ways = Ways(world)
    account = Account(account_id=SEED_ACCOUNT, users=tuple(ways.users), roles=(Role(name="Admin"),))
    async with EmbeddedSts(account) as world.sts:
        world.write_toml(ways.text + role("Admin", "robot"))
        async with world.serve() as daemon:
            replies = await fetch_all(world, [*ways.vaults, "Admin"])
            log = daemon.log_text
    assert [] == alive_of(world)

    assert {200} == {reply.status for reply in replies.values()}
    assert dict.fromkeys(ways.vaults, 1) == {name: v.state()["calls"] for name, v in ways.vaults.items()}
    assert {"desk": 1, "robot": 0, "helper": 0, "server": 0} == {
        name: vault.state()["prompts"] for name, vault in ways.vaults.items()
    }
    said = log + world.config.read_text() + "".join(str(vault.calls()) for vault in ways.vaults.values())
    assert [] == [token for token in (TOKEN, OTHER_TOKEN, CONNECT_TOKEN) if token in said]


@pytest.mark.parametrize("broken", ["file", "teller", "server"])
async def test_a_way_that_is_broken_is_broken_alone(tmp_path: Path, broken: str) -> None:
    """A missing token fails the profiles of its own table, by the name of its file or program; the others work."""
    world = World(tmp_path, MAYFLY)
    ways = Ways(world)
    name = {"file": "robot", "teller": "helper", "server": "server"}[broken]
    (world.folder / "secret" / broken).unlink()
    async with EmbeddedSts(Account(account_id=SEED_ACCOUNT, users=tuple(ways.users))) as world.sts:
        world.write_toml(ways.text)
        async with world.serve():
            replies = await fetch_all(world, ways.vaults)
    assert [] == alive_of(world)

    failed = {way: reply.json for way, reply in replies.items() if reply.status != 200}
    assert {name: "ConfigInvalid"} == {way: tree["code"] for way, tree in failed.items()}
    assert f"{world.folder}/secret/{broken}" in failed[name]["message"]
    assert 0 == ways.vaults[name].state()["calls"]
