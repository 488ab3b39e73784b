"""Commands and a port that another user or an unknown process has: no shell is pointed at it."""

from __future__ import annotations

import json
import pwd
import socket

import pytest

from mayfly.cli import ports
from support.ports import (
    NOBODY,
    holding,
    linux_only,
    root_only,
    stranger,
)
from support.world import World, free_port


# Of a socket that does not listen: whether others may bind the port, too.
OPTIONS = {"bound": "", "shared": "SO_REUSEADDR"}
COMMANDS = [("env", "nsrc"), ("exec", "nsrc", "--", "echo", "ran")]


@linux_only
@root_only
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
@pytest.mark.parametrize("argv", COMMANDS)
async def test_no_shell_is_pointed_at_another_user(world: World, host: str, argv: tuple[str, ...]) -> None:
    """If another user's process has our port, nothing is printed or run, and the user is named."""
    async with stranger(world.port, host, "SO_REUSEADDR"):
        ended = await world.run(*argv)

    name = pwd.getpwuid(NOBODY).pw_name
    assert (1, "") == (ended.code, ended.out)
    assert ended.err.startswith(f"mayfly: error: port {world.port} belongs to {name}: another program answers there")
    async with world.serve():
        assert 0 == (await world.run(*argv)).code


@linux_only
@root_only
async def test_credential_process_asks_the_control_socket_alone(world: World) -> None:
    """Neither another user's process on the configured port nor a malformed config stands in the way."""
    async with world.serve(), stranger(free_port(), "127.0.0.1", "SO_REUSEADDR") as other:
        assert 200 == (await world.get()).status
        world.config.write_text("no JSON")
        ended = await world.run("credential-process", "nsrc", env={"MAYFLY_LISTEN": f"127.0.0.1:{other.port}"})

    assert (0, "") == (ended.code, ended.err)
    assert 1 == json.loads(ended.out)["Version"]


@linux_only
@root_only
@pytest.mark.parametrize(("host", "how"), [("127.0.0.1", "bound"), ("0.0.0.0", "bound"), ("127.0.0.1", "shared")])
@pytest.mark.parametrize("argv", COMMANDS)
async def test_no_shell_is_pointed_at_a_port_that_is_only_bound(
    world: World, host: str, how: str, argv: tuple[str, ...]
) -> None:
    """A process that has bound our port could listen on it as soon as we have looked."""
    async with stranger(world.port, host, OPTIONS[how], "does not listen"):
        ended = await world.run(*argv)

    assert (1, "") == (ended.code, ended.out)
    assert ended.err.startswith(f"mayfly: error: port {world.port} is held by a process that does not listen yet: ")


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("shares", [False, True])
async def test_serve_refuses_a_port_that_is_only_bound(world: World, host: str, *, shares: bool) -> None:
    """With SO_REUSEADDR it could be bound a second time, and the other process would have it as soon as we end."""
    with holding(host, shares=shares, port=world.port):
        ended = await world.run("serve")

    line = f"mayfly: error: 127.0.0.1:{world.port} is taken by a process that does not listen"
    assert (1, line) == (ended.code, ended.err.splitlines()[0])


@linux_only
async def test_serve_starts_among_connections_of_the_daemon_before_it(world: World) -> None:
    """Its clients may still be open; the tokens stay as they were."""
    async with world.serve() as daemon:
        await world.get()
        old = world.token()
        client = socket.create_connection(("127.0.0.1", world.port))
        await daemon.end()
    with client:
        async with world.serve():
            # Not its credentials: the code of this half minute was used by the daemon before.
            assert 200 == (await world.get("/healthz", token="")).status

    assert old == world.token()


@linux_only
@root_only
@pytest.mark.parametrize("how", ["bound", "shared"])
async def test_serve_makes_new_tokens_if_an_unknown_process_has_the_port(world: World, how: str) -> None:
    """A process that cannot be known to be ours counts as another user's."""
    await world.run("env", "nsrc")
    old = world.token()
    async with stranger(world.port, "127.0.0.1", OPTIONS[how], "does not listen"):
        ended = await world.run("serve")

    assert 1 == ended.code
    assert "by a process that does not listen" in ended.err
    assert "all tokens are new" in ended.err
    assert old != world.token()


@linux_only
async def test_connections_of_a_daemon_that_has_ended_hold_no_port(world: World) -> None:
    """Neither connections that are closing nor clients that are still open count."""
    async with world.serve() as daemon:
        await world.get()
        open_still = [socket.create_connection(("127.0.0.1", world.port)) for _ in range(3)]
        await daemon.end()
        assert not ports.has_unknown_holder(world.port)
        assert 0 == (await world.run("env", "nsrc")).code
    for client in open_still:
        client.close()
    assert not ports.has_unknown_holder(world.port)


@linux_only
@root_only
async def test_our_daemon_on_another_port_excuses_no_other_user(world: World) -> None:
    """`serve` on the usual port says whose that is, though our control socket is answered."""
    async with world.serve("--listen", "127.0.0.1:0"):
        old = world.token()
        async with stranger(world.port, "127.0.0.1", "SO_REUSEADDR"):
            ended = await world.run("serve")

    assert (1, True) == (ended.code, "all tokens are new" in ended.err)
    assert old != world.token()


@linux_only
@root_only
async def test_a_command_without_a_daemon_names_the_other_user_on_its_port(world: World) -> None:
    """Under systemd the socket fails then, and no daemon runs that could say so; `rotate` works without a daemon."""
    await world.run("env", "nsrc")
    old = world.token()
    async with stranger(world.port, "127.0.0.1", "SO_REUSEADDR"):
        ended = await world.run("status")
        rotated = await world.run("rotate")

    name = pwd.getpwuid(NOBODY).pw_name
    assert (3, 0) == (ended.code, rotated.code)
    assert f"port {world.port} belongs to {name}: your mayfly cannot run there until they go" in ended.err
    assert "mayfly rotate" in ended.err
    assert old != world.token()


@linux_only
@root_only
async def test_off_works_with_any_owner_of_the_port(world: World) -> None:
    """A shell can always be set back."""
    async with stranger(world.port, "127.0.0.1", "SO_REUSEADDR"):
        assert 0 == (await world.run("env", "--off")).code
