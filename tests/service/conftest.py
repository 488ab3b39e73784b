"""What a service's tests can ask for: a world under a real `systemd --user`, as root or as an ordinary user."""

from __future__ import annotations

import os

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mayfly.demo.sts.server import EmbeddedSts
from service.managers import ROOT, SOMEBODY, SystemdWorld, UserManager, missing


@pytest.fixture(name="unmanaged")
async def _unmanaged(tmp_path: Path) -> AsyncIterator[SystemdWorld]:
    """A world in which nobody has logged in yet."""
    reason = missing()
    if reason and not os.environ.get("MAYFLY_REQUIRE_ALL_TESTS"):
        pytest.skip(reason)
    assert "" == reason
    world = SystemdWorld(tmp_path)
    async with EmbeddedSts(world.account()) as sts:
        world.sts = sts
        yield world


@pytest.fixture(name="manager")
async def _manager(unmanaged: SystemdWorld) -> AsyncIterator[UserManager]:
    """Root's own manager."""
    async with unmanaged.log_in(ROOT) as manager:
        yield manager


@pytest.fixture(name="ordinary")
async def _ordinary(unmanaged: SystemdWorld) -> AsyncIterator[UserManager]:
    """An ordinary user's manager."""
    async with unmanaged.log_in(SOMEBODY) as manager:
        yield manager
