"""What every test can ask for: a `world`, with its STS up."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import tempfile

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hypothesis import HealthCheck, settings

from mayfly.demo.sts.server import EmbeddedSts
from support import faketime, nursery
from support.exchange import Clock
from support.following import follow_no_heirs, followed
from support.managers import ROOT, SOMEBODY, SystemdWorld, UserManager, missing
from support.nursery import MAYFLY
from support.world import World


# What hypothesis searches for it searches for the same way every time, and has all the time it needs.
settings.register_profile(
    "mayfly",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("mayfly")


def pytest_configure() -> None:
    """What earlier runs were killed before they could remove, goes; Ctrl-C and Ctrl-\\ end what we start.

    A shell has what it puts in the background ignore both signals, and that would be handed down.
    """
    faketime.tidy()
    gc.disable()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGQUIT) == signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow tests, which wait, begin every other worker's share: meanwhile the rest keeps the processors busy.

    One of them at the end would have the other workers idle.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers == 1:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    rest = iter([item for item in items if item not in slow])
    shares = [len(items) * (number + 1) // workers - len(items) * number // workers for number in range(workers)]
    mixed: list[pytest.Item] = []
    for number, share in enumerate(shares):
        first = slow[number // 2 :: (workers + 1) // 2] if number % 2 == 0 else []
        mixed += [*first, *itertools.islice(rest, max(0, share - len(first)))]
    items[:] = [*mixed, *rest]


def pytest_collection_finish() -> None:
    """What has been collected stays: to go through it for garbage, again and again, takes longer than many a test.

    In the process that runs tests, which is each of pytest-xdist's workers, but not the one that starts them.
    """
    gc.freeze()
    gc.enable()
    follow_no_heirs()


def pytest_unconfigure() -> None:
    """Nothing is left behind."""
    nursery.close_all()
    faketime.tidy()


@pytest.fixture(name="world")
async def _world(tmp_path: Path) -> AsyncIterator[World]:
    """A home, a vault, an STS that knows its user; nothing runs yet."""
    world = World(tmp_path, MAYFLY)
    async with EmbeddedSts(world.account()) as sts:
        world.sts = sts
        yield world


@pytest.fixture(name="open_folder")
def _open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(autouse=True)
def _followed(request: pytest.FixtureRequest) -> Iterator[None]:
    """In a world Mayfly runs in processes of its own: in the worker, coverage would only take time."""
    is_unfollowed = any(request.node.get_closest_marker(name) for name in ("laws", "unfollowed"))
    is_outside = "world" in request.fixturenames
    with followed(worker=not (is_unfollowed or is_outside), processes=not is_unfollowed):
        yield


@pytest.fixture(name="clock")
def _clock(tmp_path: Path) -> Clock:
    """A clock that the test moves."""
    return Clock(tmp_path)


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
