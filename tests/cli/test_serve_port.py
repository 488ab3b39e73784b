"""`mayfly serve` and a port that somebody has, in whichever way: whose it is decides about the tokens."""

from __future__ import annotations

import itertools
import socket

from contextlib import AsyncExitStack

import pytest

from support.ports import linux_only, root_only, stranger
from support.world import World, free_port


OPTIONS = ["", "SO_REUSEADDR", "SO_REUSEPORT", "SO_REUSEADDR SO_REUSEPORT"]


@linux_only
@root_only
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"])
async def test_a_port_that_another_user_has_costs_the_tokens(world: World, host: str) -> None:
    """In any way, listening or not, shared or not: nothing is served, and what clients may have sent opens nothing."""
    await world.run("env", "nsrc")
    for options, how in itertools.product(OPTIONS, ["listens", "does not listen"]):
        old = world.token()
        async with stranger(world.port, host, options, how):
            ended = await world.run("serve")

        assert 1 == ended.code, (options, how)
        assert f"mayfly: error: 127.0.0.1:{world.port} is taken" in ended.err or "in use: by a process" in ended.err
        assert "all tokens are new" in ended.err, (options, how)
        assert old != world.token(), (options, how)


@linux_only
@root_only
@pytest.mark.parametrize("how", ["closes", "connects"])
async def test_no_connection_of_a_strangers_excuses_the_stranger(world: World, how: str) -> None:
    """Neither connections that are closing on a port that is only bound, nor one whose socket could listen later."""
    await world.run("env", "nsrc")
    old = world.token()
    async with stranger(world.port, "127.0.0.1", "SO_REUSEADDR", how):
        shell = await world.run("env", "nsrc")
        ended = await world.run("serve")

    assert (1, "", 1) == (shell.code, shell.out, ended.code)
    assert f"mayfly: error: 127.0.0.1:{world.port} is taken by a process that does not listen" in ended.err
    assert "all tokens are new" in ended.err
    assert old != world.token()


@linux_only
@root_only
async def test_no_connection_of_ours_excuses_a_stranger(world: World) -> None:
    """A connection of our own process on the port does not hide who has bound it, too."""
    await world.run("env", "nsrc")
    old = world.token()
    with socket.create_server(("127.0.0.1", world.port)) as before:
        client = socket.create_connection(before.getsockname())
        connection, _ = before.accept()
    with client, connection:
        async with stranger(world.port, "127.0.0.1", "SO_REUSEADDR", "does not listen"):
            ended = await world.run("serve")

    assert 1 == ended.code
    assert "all tokens are new" in ended.err
    assert "mayfly: hint: it is a?name" in ended.err
    assert old != world.token()


@linux_only
@root_only
async def test_a_daemon_elsewhere_does_not_excuse_a_stranger(world: World) -> None:
    """A daemon of ours on another port is no reason to overlook who has the usual one."""
    async with world.serve("--listen", f"127.0.0.1:{free_port()}"):
        old = world.token()
        async with stranger(world.port):
            ended = await world.run("serve")

    assert 1 == ended.code
    assert "all tokens are new" in ended.err
    assert old != world.token()


@linux_only
@pytest.mark.parametrize("how", ["listens", "does not listen", "is our daemon"])
async def test_a_port_of_our_own_costs_no_tokens(world: World, how: str) -> None:
    """Another process of this user on the port, a daemon or not, ends `serve` and leaves the tokens as they are."""
    async with AsyncExitStack() as stack:
        if how == "is our daemon":
            await stack.enter_async_context(world.serve())
        else:
            await world.run("env", "nsrc")
            sock = stack.enter_context(socket.socket())
            sock.bind(("127.0.0.1", world.port))
            if how == "listens":
                sock.listen()
        old = world.token()
        ended = await world.run("serve")

    assert (1, old) == (ended.code, world.token())
    assert "all tokens are new" not in ended.err


@linux_only
@pytest.mark.slow
async def test_what_closes_on_the_port_costs_no_tokens(world: World) -> None:
    """A daemon that starts right after another finds connections that are closing, and serves with the same tokens."""
    async with world.serve():
        await world.get()
        old = world.token()
    async with world.serve():
        assert 200 == (await world.get(token=old)).status
