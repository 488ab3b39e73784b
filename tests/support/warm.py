"""A daemon whose credentials are in memory already, shared by all tests of one module.

For tests that send many requests and change nothing in the daemon: `tests/daemon/endpoint/conftest.py` starts one a
module and gives it as the fixture `warm`; such tests run in the module's event loop (`on_warm`). `fill` puts the port
and the tokens into a template of `support.raw`.
"""

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
