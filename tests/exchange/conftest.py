"""A world whose STS is on a clock that a test can move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mayfly.demo.sts.server import EmbeddedSts, Role
from support.exchange import Clock, alive_of
from support.nursery import MAYFLY
from support.world import World


@pytest.fixture(name="world")
async def _world(tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    """A home, a vault and an STS with roles. After the test no process of the world may be left."""
    world = World(tmp_path, MAYFLY)
    async with EmbeddedSts(world.account(Role(name="Admin"), Role(name="Reader")), clock=clock) as sts:
        world.sts = sts
        yield world
    assert [] == alive_of(world)
