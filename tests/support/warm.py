"""A daemon whose credentials are already in memory."""

from __future__ import annotations

from typing import NamedTuple

from support.raw import filled
from support.world import Served, World


class Warm(NamedTuple):
    """A daemon that serves `nsrc` from memory, and knows a profile `other`, too."""

    world: World
    daemon: Served

    def fill(self, template: bytes) -> bytes:
        world = self.world
        return filled(template, port=str(world.port), token=world.token(), other=world.token("other"))
