"""A world in which a stand-in makes the grants."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.granter import Granter, granter
from support.world import World


@pytest.fixture(name="granting")
async def _granting(world: World) -> AsyncIterator[Granter]:
    """The stand-in at the world's control socket."""
    async with granter(world.run_dir / "control.sock") as made:
        yield made
