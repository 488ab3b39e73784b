"""A client that goes away while the daemon reads tokens or the config for it."""

from __future__ import annotations

import asyncio
import gc
import threading

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from mayfly.daemon import reload
from mayfly.daemon.events import Events
from mayfly.daemon.grants import Table
from mayfly.daemon.reload import Reload
from mayfly.daemon.tasks import Tasks
from mayfly.shared import tokens
from mayfly.shared.errors import ConfigInvalid
from support.engine import NOON, config, key
from support.stage import Log


class _Keeper:
    """A keeper that has one config, and takes over another."""

    def __init__(self) -> None:
        self.config = config(nsrc=key())

    def adopt(self, fresh: Any) -> None:
        self.config = fresh


class Slow:
    """A function that returns when it is allowed to."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.began = threading.Event()
        self.go = threading.Event()

    def __call__(self, *args: Any) -> Any:
        self.began.set()
        assert self.go.wait(30)
        return self._function(*args)


def refusing(*_: Any) -> Any:
    raise ConfigInvalid("not so")


class Counted:
    """A function whose calls are counted."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.times = 0

    def __call__(self, *args: Any) -> Any:
        self.times += 1
        return self._function(*args)


@pytest.fixture(name="keeper")
def _keeper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Keeper:
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "run"))
    return _Keeper()


@pytest.fixture(name="grants")
def _grants(keeper: _Keeper) -> Table:
    """The grants of a daemon that has started."""
    grants = Table()
    grants.replace(tokens.ensure_digests(keeper.config.profiles))
    return grants


def reload_of(keeper: _Keeper, grants: Table) -> Reload:
    events = Events(Log())
    return Reload(
        cast(Any, keeper), grants, events, Tasks(events), find_config=Path, on_start=lambda: None, on_end=lambda: None
    )


async def gone(call: asyncio.Task[Any], slow: Slow) -> None:
    """The client goes while its call reads, and the reading ends later."""
    await asyncio.to_thread(slow.began.wait, 30)
    call.cancel()
    await asyncio.wait([call])
    slow.go.set()


@pytest.mark.parametrize("way", ["POST /tokens", "an unknown token"])
async def test_new_tokens_count_although_the_client_has_gone(
    monkeypatch: pytest.MonkeyPatch, keeper: _Keeper, grants: Table, way: str
) -> None:
    """A client that goes while tokens are read neither leaves the old one open nor the new one shut."""
    slow = Slow(reload.readable_digests)
    monkeypatch.setattr(reload, "readable_digests", slow)
    ours = reload_of(keeper, grants)
    old = tokens.ensure_token("nsrc")
    new = tokens.rotate_token("nsrc")
    work: Any = ours.tokens() if way == "POST /tokens" else ours.tokens_renewed()
    await gone(asyncio.create_task(work), slow)
    async with asyncio.timeout(30):
        while not grants.find(new, "nsrc", NOON):
            await asyncio.sleep(0.01)

    assert not grants.find(old, "nsrc", NOON)


async def test_a_config_is_taken_over_although_the_client_has_gone(
    monkeypatch: pytest.MonkeyPatch, keeper: _Keeper, grants: Table
) -> None:
    """A client that goes while its reload reads the config leaves no half of it undone."""
    fresh = config(nsrc=key(), more=key("more"))
    slow = Slow(lambda _path: fresh)
    monkeypatch.setattr(reload, "load", slow)
    ours = reload_of(keeper, grants)
    await gone(asyncio.create_task(ours.config()), slow)
    async with asyncio.timeout(30):
        while keeper.config is not fresh:
            await asyncio.sleep(0.01)
        await ours.tokens()

    assert grants.find(tokens.ensure_token("more"), "more", NOON)


@pytest.mark.parametrize("way", ["POST /reload", "POST /tokens"])
async def test_a_fault_that_no_client_waits_for_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, keeper: _Keeper, grants: Table, way: str
) -> None:
    """The client of a bad config, or of tokens that cannot be read, has gone: the log has its own line of that."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    slow = Slow(refusing)
    monkeypatch.setattr(reload, "load" if way == "POST /reload" else "readable_digests", slow)
    ours = reload_of(keeper, grants)
    await gone(asyncio.create_task(cast(Any, ours.config() if way == "POST /reload" else ours.tokens())), slow)
    await asyncio.sleep(0.1)
    gc.collect()

    assert [] == complaints


async def test_many_reloads_are_two(monkeypatch: pytest.MonkeyPatch, keeper: _Keeper, grants: Table) -> None:
    """A flood of reloads piles nothing up: all who come while a config is read share the next read."""
    fresh = config(nsrc=key(), more=key("more"))
    read: list[Any] = []
    slow = Slow(lambda _path: read.append(keeper.config) or fresh)
    monkeypatch.setattr(reload, "load", slow)
    tokens_read = Counted(reload.readable_digests)
    monkeypatch.setattr(reload, "readable_digests", tokens_read)
    ours = reload_of(keeper, grants)
    first = asyncio.create_task(ours.config())
    await asyncio.to_thread(slow.began.wait, 30)
    others = [asyncio.create_task(ours.config()) for _ in range(100)]
    await asyncio.sleep(0.1)
    slow.go.set()
    async with asyncio.timeout(30):
        await asyncio.gather(first, *others)

    assert 2 == len(read)
    assert 2 <= tokens_read.times <= 3


async def test_tokens_wait_for_no_config(monkeypatch: pytest.MonkeyPatch, keeper: _Keeper, grants: Table) -> None:
    """While a config is read that does not come, as from a network home that hangs, a rotated token counts at once."""
    slow = Slow(lambda _path: keeper.config)
    monkeypatch.setattr(reload, "load", slow)
    ours = reload_of(keeper, grants)
    reloading = asyncio.create_task(ours.config())
    await asyncio.to_thread(slow.began.wait, 30)
    new = tokens.rotate_token("nsrc")
    async with asyncio.timeout(30):
        problems = await ours.tokens()
    is_open = bool(grants.find(new, "nsrc", NOON))
    slow.go.set()
    await reloading

    assert ({}, True) == (problems, is_open)
