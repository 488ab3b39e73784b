"""`mayfly install` for another address, and for a port that is taken."""

from __future__ import annotations

import socket

from contextlib import suppress

from mayfly.service import files
from support.managers import UserManager, unit_facts
from support.world import World, free_port


async def test_another_address_opens_the_sockets_anew(manager: UserManager) -> None:
    """With another listening address in force, `install --now` moves the service, and says what that costs.

    `install` alone does not change the address of a running service, which would have no port after its next end.
    """
    await manager.mayfly("install", "--now")
    before, port = unit_facts(manager.units), free_port()

    refused = await manager.mayfly("install", env={"MAYFLY_LISTEN": f"127.0.0.1:{port}"})
    after, listens = unit_facts(manager.units), await manager.property("mayfly.socket", "Listen")
    ended = await manager.mayfly("install", "--now", env={"MAYFLY_LISTEN": f"127.0.0.1:{port}"})
    is_left = f"127.0.0.1:{manager.world.port} (Stream)" in listens
    manager.world.port = port

    assert (1, before, True) == (refused.code, after, is_left)
    assert "hint: to move it there, and have it forget its sessions: mayfly install --now" in refused.err
    assert 0 == ended.code
    assert "the daemon forgets its sessions" in ended.err
    assert 200 == (await manager.world.get()).status


async def test_a_port_that_is_taken_is_told_with_who_has_it(manager: UserManager) -> None:
    """If another process listens there, `install --now` names the process, and writes and starts nothing.

    `install` alone writes the units, and warns.
    """
    async with World.serve(manager.world):
        first = await manager.mayfly("install", "--now")
        is_written = manager.units.exists()
        warned = await manager.mayfly("install")
        second = await manager.mayfly("install", "--now")

    assert (1, 1, False) == (first.code, second.code, is_written)
    assert f"127.0.0.1:{manager.world.port} is taken by " in first.err
    assert f"127.0.0.1:{manager.world.port} is taken by " in second.err
    assert f"warning: 127.0.0.1:{manager.world.port} is taken by " in warned.err
    assert 0 == warned.code
    assert "inactive" == await manager.property("mayfly.socket", "ActiveState")


async def test_a_service_that_runs_does_not_move_to_a_port_that_is_taken(manager: UserManager) -> None:
    """`install --now` to a port that is taken names the process; the service keeps its units and sessions.

    The port taken is a prefix of the service's own, as 1024 is of 10240.
    """
    theirs, manager.world.port = alike()
    taken = f"127.0.0.1:{theirs.getsockname()[1]}"
    with theirs:
        await manager.mayfly("install", "--now")
        first = await manager.world.get()
        before, pid = unit_facts(manager.units), await manager.main_pid()

        ended = await manager.mayfly("install", "--now", env={"MAYFLY_LISTEN": taken})

    assert 1 == ended.code
    assert f"{taken} is taken by " in ended.err
    assert (before, pid) == (unit_facts(manager.units), await manager.main_pid())
    assert first.body == (await manager.world.get()).body


def alike() -> tuple[socket.socket, int]:
    """A socket that listens on a port of four digits, and a free port that begins with them."""
    for short in range(1025, 6553):
        theirs = socket.socket()
        with suppress(OSError):
            theirs.bind(("127.0.0.1", short))
            theirs.listen()
            for port in range(short * 10, short * 10 + 10):
                with suppress(OSError), socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
                    return theirs, port
        theirs.close()
    raise AssertionError("no two such ports are free")


async def test_units_that_moved_under_an_open_socket_are_started_there(manager: UserManager) -> None:
    """If the units of a running service name another address, `install --now` moves it there, or back."""
    await manager.mayfly("install", "--now")
    first, second = manager.world.port, free_port()

    await move(manager, first, second)
    back = await manager.mayfly("install", "--now")
    served = await manager.world.get(token="")
    await move(manager, first, second)
    there = await manager.mayfly("install", "--now", env={"MAYFLY_LISTEN": f"127.0.0.1:{second}"})
    manager.world.port = second

    assert (0, 0) == (back.code, there.code)
    assert (401, 401) == (served.status, (await manager.world.get(token="")).status)


async def move(manager: UserManager, before: int, after: int) -> None:
    """Have the manager read a unit with another port while the socket is open."""
    unit = manager.units / "mayfly.socket"
    unit.write_text(files.stamped(files.body_of(unit).replace(f":{before}\n", f":{after}\n")))
    await manager.systemctl("daemon-reload")
