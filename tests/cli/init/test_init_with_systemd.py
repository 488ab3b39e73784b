"""`mayfly init` where a real systemd runs the service."""

from __future__ import annotations

import re
import shlex

from pathlib import Path

import mayfly

from support.managers import UserManager
from support.people import user_in
from support.world import SEED_ACCOUNT


PAGE = Path(mayfly.__file__).parents[2] / "docs/getting-started.md"


async def test_from_nothing_to_a_service_with_two_profiles(manager: UserManager) -> None:
    """The line of docs/getting-started.md installs the service, which serves the new config, and takes over what a
    second run adds."""
    world = manager.world
    world.config.unlink()
    seed = world.vault.state()["items"][0]
    user_in(world.vault, "ann")
    world.vault.add_item("AWS", {}, vault="Private")
    aws = world.vault.state()["items"][-1] | {"fields": seed["fields"]}
    world.vault.update(items=[*world.vault.state()["items"][:-1], aws])
    line = re.search(r"^\$ mayfly (init --yes .* --install .*)$", PAGE.read_text(), re.MULTILINE)
    assert line
    first = await manager.mayfly(*shlex.split(line[1]))
    second = await manager.mayfly("init", "--yes", "--item", "op://NSRC/ann")
    credentials = await manager.fetch("work")
    status = await manager.mayfly("status")

    assert (0, True) == (first.code, f'"Arn": "arn:aws:iam::{SEED_ACCOUNT}:user/carmas"' in first.out)
    assert "active" == await manager.property("mayfly.service", "ActiveState")
    assert SEED_ACCOUNT == credentials["AccountId"]
    assert (0, True) == (second.code, "$ mayfly reload" in second.err)
    assert ["ann", "work"] == [name for name in ("ann", "work") if name in status.out]
    assert 1 == world.sts.calls_of("GetSessionToken")
