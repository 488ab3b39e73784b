"""The exchange as a child process: how it is started from each kind of installation."""

from __future__ import annotations

import asyncio

import pytest

from mayfly.shared.interpreter import isolation_flags
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
