"""The exchange as a child process: how it is started from each kind of installation, and how it ends."""

from __future__ import annotations

import asyncio
import os
import sys

from contextlib import suppress
from pathlib import Path

import pytest

from mayfly.daemon import launcher
from mayfly.daemon.launcher import child_launcher
from mayfly.shared.errors import ExchangeFailed
from mayfly.shared.interpreter import isolation_flags
from mayfly.shared.wire import Request
from support.exchange import program, until
from support.user_site import base_python, install_for_user
from support.world import World


@pytest.mark.parametrize("editable", [False, True])
async def test_an_installation_for_the_user_alone_starts_its_exchange(world: World, *, editable: bool) -> None:
    """After `pip install --user` a login works, though an isolated interpreter does not see the user's packages."""
    await asyncio.to_thread(install_for_user, world.home, editable=editable)
    as_base = ("sh", "-c", f'shift; exec {base_python()} "$@"', "sh")
    async with world.serve(prefix=as_base):
        reply = await world.get()

    assert 200 == reply.status, reply.json


def test_in_an_environment_the_exchange_is_isolated() -> None:
    """Nothing of the user's and no PYTHON variable comes in where mayfly does not need it."""
    assert ("-I",) == isolation_flags()


REQUEST = Request(kind="login", digest="d", profiles=("nsrc",))
# Closes its output: for the daemon it is done.
DONE = "exec >&-; "
STUBBORN = "trap 'echo TERM >> {told}' TERM; "
# A shell sees a signal when its own child has ended.
STAYS = "echo $$ > {pid}; while :; do sleep 0.05; done"


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    """A shell script in the place of the exchange."""
    lines = text.format(pid=folder / "pid", told=folder / "told")
    monkeypatch.setattr(sys, "executable", str(program(folder / "exchange", f"#!/bin/sh\n{lines}\n")))


def is_gone(folder: Path) -> bool:
    """True if the stand-in has ended and was reaped."""
    try:
        os.kill(int((folder / "pid").read_text()), 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("text", [DONE + STAYS, STAYS, DONE + STUBBORN + STAYS, STUBBORN + STAYS])
@pytest.mark.parametrize("is_asked", [True, False])
async def test_an_exchange_that_does_not_end_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, is_asked: bool
) -> None:
    """Also if it has closed its output, or was asked for nothing: it gets SIGTERM at once, then SIGKILL."""
    if "trap" in text:
        monkeypatch.setattr(launcher, "TERM_GRACE_SECONDS", 0.5)
    stand_in(monkeypatch, tmp_path, text)
    async with asyncio.timeout(8):
        with suppress(ExchangeFailed, TimeoutError):
            async with child_launcher(lambda: "config.toml")() as exchange:
                await until((tmp_path / "pid").exists)
                async with asyncio.timeout(0.2):
                    _ = [result async for result in exchange.ask(REQUEST)] if is_asked else []

    assert is_gone(tmp_path)
    assert ("trap" in text) == (tmp_path / "told").exists()


async def test_the_daemons_end_does_not_spare_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If the daemon ends while it ends an exchange, it goes on to SIGKILL."""
    monkeypatch.setattr(launcher, "TERM_GRACE_SECONDS", 0.5)
    stand_in(monkeypatch, tmp_path, STUBBORN + STAYS)

    async def run() -> None:
        async with child_launcher(lambda: "config.toml")():
            await until((tmp_path / "pid").exists)

    running = asyncio.create_task(run())
    await until((tmp_path / "told").exists)
    running.cancel()
    await asyncio.wait([running])

    assert (True, True) == (running.cancelled(), is_gone(tmp_path))
