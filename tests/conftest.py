"""What every test can ask for: a `world`, with its STS up."""

from __future__ import annotations

import gc
import signal

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import faketime

from mayfly.demo.sts.server import EmbeddedSts
from nursery import EXCHANGE, MAYFLY, OP
from world import World


def pytest_configure() -> None:
    """What earlier runs were killed before they could remove, goes; and Ctrl-C ends what we start, as in a terminal.

    A shell has what it puts in the background ignore it, and that would be handed down.
    """
    faketime.tidy()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What has been collected stays: to go through it for garbage, again and again, takes longer than many a test."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """Nothing is left behind."""
    faketime.tidy()
    for nursery in (EXCHANGE, MAYFLY, OP):
        nursery.close()


@pytest.fixture(name="world")
async def _world(tmp_path: Path) -> AsyncIterator[World]:
    """A home, a vault, an STS that knows its user; nothing runs yet."""
    world = World(tmp_path, MAYFLY)
    async with EmbeddedSts(world.account()) as sts:
        world.sts = sts
        yield world
