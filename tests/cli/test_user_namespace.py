"""In a user namespace that hides who is who, nothing is started, run or believed: one line says where to go instead."""

from __future__ import annotations

import os
import sys

from pathlib import Path

import pytest

from mayfly.shared import wire
from support.exchange import Answer, login
from support.others import AS_ME, ME, OTHER, PACKAGE, by_root, python
from support.world import Ended, World


OUTSIDE = "this is a user namespace (Flatpak, bubblewrap, an FHS shell): run mayfly outside"
NO_ONE = ("unshare", "-U", "--")
ONLY_ME = (*AS_ME, "unshare", "--map-current-user", "--")

pytestmark = by_root

COMMANDS = [
    ("serve",),
    ("serve", "--sealed"),
    ("env",),
    ("exec", "nsrc", "--", "true"),
    ("status",),
    ("credential-process", "nsrc"),
    ("login",),
]


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
async def test_where_everybody_is_nobody_no_command_goes_on(world: World, argv: tuple[str, ...]) -> None:
    """`unshare -U`: another user with the token would pass for us, and a file of theirs for ours."""
    await world.run("env")

    ended = await world.run_program(*NO_ONE, sys.executable, "-m", "mayfly", *argv)

    assert (2, "", f"mayfly: error: {OUTSIDE}\n") == tuple(ended)


def at_home_of_me(world: World, folder: Path) -> None:
    """The world's files are ME's, and its `op` is another user's."""
    for place in (folder / "home", folder / "run"):
        place.mkdir(mode=0o700)
        os.chown(place, ME, ME)
    config = folder / "home/config.toml"
    config.write_bytes(world.write_toml().read_bytes())
    os.chown(config, ME, ME)
    op = folder / "op"
    op.write_text(f"#!/bin/sh\ntouch {folder}/run/sung\n")
    op.chmod(0o755)
    os.chown(op, OTHER, OTHER)
    world.home, world.run_dir, world.config = folder / "home", folder / "run", config


def env_of_me(world: World, folder: Path) -> dict[str, str]:
    return PACKAGE | {"PATH": f"{folder}:/usr/bin:/bin", "MAYFLY_CONFIG": str(world.config), "HOME": str(world.home)}


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
async def test_where_only_we_have_a_uid_no_command_goes_on(
    world: World, open_folder: Path, argv: tuple[str, ...]
) -> None:
    """Bubblewrap, Flatpak: everything of root's, and of any stranger's, belongs to nobody there."""
    at_home_of_me(world, open_folder)

    ended = await world.run_program(*ONLY_ME, python(), "-m", "mayfly", *argv, env=env_of_me(world, open_folder))

    assert (2, "", f"mayfly: error: {OUTSIDE}\n") == tuple(ended)


@pytest.mark.parametrize("prefix", [NO_ONE, ONLY_ME], ids=["no one", "only me"])
async def test_an_exchange_there_runs_no_op(world: World, open_folder: Path, prefix: tuple[str, ...]) -> None:
    """Nor does one that a daemon outside has started: the exchange trusts no file of nobody's, sealed daemon or not."""
    at_home_of_me(world, open_folder)
    asked = wire.request_bytes(login(world)) + wire.YOU_MAY

    ended: Ended = await world.run_program(
        *prefix,
        *(python(), "-m", "mayfly.exchange", "--config", str(world.config)),
        env=env_of_me(world, open_folder),
        stdin=asked,
    )

    error = Answer(ended.code, ended.out.encode(), ended.err).error()
    assert (("ConfigInvalid", OUTSIDE), False) == ((error.code, error.message), (open_folder / "run/sung").exists())


# The map of a container's user namespace is written from outside, after it was made and before anything runs in it.
CONTAINER = """
folder=$1; shift
mkfifo "$folder/go"
(
    while [ "$(readlink /proc/$$/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
    for map in uid_map gid_map; do echo "0 0 60000" > /proc/$$/$map; done
    echo go > "$folder/go"
) &
exec unshare -U -- sh -c 'read go < "$0/go"; exec "$@"' "$folder" "$@"
"""


def uid_map_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/uid_map").read_text().split()


async def test_where_root_has_a_uid_everything_works(world: World, open_folder: Path) -> None:
    """As in Podman with keep-id, toolbox, WSL 2 and Crostini, whose namespaces map a root."""
    async with world.serve(prefix=("sh", "-c", CONTAINER, "sh", str(open_folder))) as daemon:
        own_map = uid_map_of(daemon.pid)
        reply = await world.get()

    assert (["0", "0", "60000"], 200) == (own_map, reply.status)
    assert 1 == len(world.vault.calls())
