"""op.exe on a Windows drive, where every mode is 0777: played by a file system of this machine, and its line in mounts.

What real Windows does with signals and with a prompt that nobody answers is not shown here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support.exchange import Answer, answer, exchange, login, program, robot, with_onepassword
from support.others import by_root
from support.world import World


pytestmark = by_root

# Mounts a drive that belongs to the user 1000, and becomes the program after it, for which /proc/mounts has `line`.
_BECOME = r"""
mount -t tmpfs -o mode=0777,uid=1000 'C:\' {drive} && cp -r {here}/. {drive} && chmod -R 0777 {drive} &&
chown -R 1000 {drive} && mount --bind {mounts} /proc/$$/mounts && exec "$@"
"""
_LINE = r"C:\134 {} 9p rw,noatime,aname=drvfs;path=C:\;uid=1000;gid=1000;symlinkroot=/mnt/,trans=fd,rfd=5,wfd=5 0 0"


async def _ask(world: World, config: str, line: str = _LINE, env: dict[str, str] | None = None) -> Answer:
    drive, mounts = world.folder / "mnt/c", world.folder / "mounts"
    drive.mkdir(parents=True, exist_ok=True)
    mounts.write_text(f"/dev/sdc / ext4 rw 0 0\n{line.format(drive)}\n")
    with_onepassword(world, config)
    script = _BECOME.format(drive=drive, here=world.folder / "drive", mounts=mounts)
    async with exchange(world, env, prefix=("unshare", "--mount", "sh", "-ec", script, "sh")) as process:
        return await answer(process, login(world))


def _put(world: World, name: str) -> Path:
    """A program for the drive that leaves its environment behind, and ends its lines as Windows does."""
    text = f'#!/bin/sh\nenv > {world.folder}/environ\n{world.op} "$@" | sed "s/$/\\r/"\n'
    program(world.folder / "drive/Program Files/1Password CLI" / name, text)
    return world.folder / "mnt/c/Program Files/1Password CLI" / name


async def test_an_op_exe_that_the_config_names_is_run(world: World) -> None:
    """Its lines end as on Windows, and WSLENV has the token taken along, which Windows programs would not get else."""
    place = _put(world, "op.exe")

    ended = await _ask(world, f'op = "{place}"\n{robot(world)}', env={"WSL_INTEROP": "/run/WSL/7_interop"})

    assert {"nsrc": "Credentials"} == ended.verdicts
    found = dict(line.split("=", 1) for line in (world.folder / "environ").read_text().splitlines() if "=" in line)
    assert "/run/WSL/7_interop" == found["WSL_INTEROP"]
    passed = {name for name in found if name.startswith("OP_")}
    assert "OP_SERVICE_ACCOUNT_TOKEN" in passed
    assert {f"{name}/w" for name in passed} == set(found["WSLENV"].split(":"))


@pytest.mark.parametrize(
    ("name", "line"),
    [("op.exe", "tmpfs {} tmpfs rw 0 0"), ("op", _LINE)],
    ids=["another file system", "another name"],
)
async def test_nothing_else_that_everybody_may_write_is_run(world: World, name: str, line: str) -> None:
    """The rule for every program holds where it is not a Windows drive, and for every other program on one."""
    place = _put(world, name)

    ended = await _ask(world, f'op = "{place}"', line)

    assert {"nsrc": "ConfigInvalid"} == ended.verdicts
    assert f"op at {place} cannot be trusted" in ended.error().message
    assert not (world.folder / "environ").exists()


async def test_an_op_exe_on_path_is_not_run(world: World) -> None:
    """Only a config that names it says that Windows is trusted with it."""
    place = _put(world, "op.exe")

    ended = await _ask(world, "", env={"PATH": f"{place.parent}:/usr/bin:/bin"})

    assert {"nsrc": "OnePasswordMissing"} == ended.verdicts
