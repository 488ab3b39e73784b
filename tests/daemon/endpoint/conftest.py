"""One daemon for a whole module, with its credentials already in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mayfly.demo.sts.server import EmbeddedSts
from support.nursery import MAYFLY
from support.warm import Warm
from support.world import SEED_TOML, World


TWO_PROFILES = SEED_TOML + SEED_TOML.replace("nsrc]", "other]") + "duration_seconds = 7200\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="warm")
async def _warm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Warm]:
    world = World(tmp_path_factory.mktemp("warm"), MAYFLY)
    world.write_toml(TWO_PROFILES)
    async with EmbeddedSts(world.account()) as sts:
        world.sts = sts
        async with world.serve() as daemon:
            assert 200 == (await world.get()).status
            # The log is written beside the answer: the tests look at what comes after this.
            await daemon.event("session.refreshed")
            yield Warm(world, daemon)
