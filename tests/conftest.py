"""What every test can ask for: a `world`, with its STS up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mayfly.demo.sts import EmbeddedSts
from world import World


# Whole worlds of processes, which show what users see: to follow each of their lines with coverage would double their
# time. What only they reach counts as not covered, so the bound is harder to keep, not easier.
UNMEASURED = (
    "endpoint/test_browser",
    "endpoint/test_fuzz",
    "endpoint/test_limits",
    "endpoint/test_waiting",
    "roles/test_each",
    "roles/test_stampede",
    "roles/test_ways",
    "service/test_seal",
    "service/test_units_in_systemd",
    "service/test_upgrade",
    "test_soak",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what coverage does not follow."""
    here = Path(__file__).parent
    for item in items:
        if str(item.path.relative_to(here)).startswith(UNMEASURED):
            item.add_marker("unmeasured")


@pytest.fixture(name="world")
async def _world(tmp_path: Path) -> AsyncIterator[World]:
    """A home, a vault, an STS that knows its user; nothing runs yet."""
    world = World(tmp_path)
    async with EmbeddedSts(world.account()) as sts:
        world.sts = sts
        yield world
