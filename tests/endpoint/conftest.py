"""One daemon for a whole module, with its credentials already in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from endpoint.raw import filled
from mayfly.demo.sts.server import EmbeddedSts
from nursery import MAYFLY
from world import SEED_TOML, Served, World


TWO_PROFILES = SEED_TOML + SEED_TOML.replace("nsrc]", "other]") + "duration_seconds = 7200\n"


class Warm(NamedTuple):
    """A daemon that serves `nsrc` from memory, and knows a profile `other`, too."""

    world: World
    daemon: Served

    def fill(self, template: bytes) -> bytes:
        world = self.world
        return filled(template, port=str(world.port), token=world.token(), other=world.token("other"))


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="warm")
async def _warm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Warm]:
    world = World(tmp_path_factory.mktemp("warm"), MAYFLY)
    world.write_toml(TWO_PROFILES)
    async with EmbeddedSts(world.account()) as sts:
        world.sts = sts
        async with world.serve() as daemon:
            assert 200 == (await world.get()).status
            yield Warm(world, daemon)
