"""The descriptors that a service manager hands over."""

from __future__ import annotations

import os
import re
import socket
import sys

from contextlib import closing
from pathlib import Path

import pytest

import mayfly

from mayfly.service.fd_store import sealed_memfd
from mayfly.service.inherited import take_inherited
from mayfly.service.manager import Manager
from mayfly.service.notify import Notifier
from support.world import World


@pytest.fixture(name="first")
def _first() -> int:
    """A number from which on descriptors are free."""
    return 400


def hand_over(first: int, *descriptors: int) -> None:
    """Put descriptors where systemd would, in a row."""
    for index, descriptor in enumerate(descriptors):
        os.dup2(descriptor, first + index)
        os.close(descriptor)


def environment(count: int, names: str = "") -> dict[str, str]:
    return {"LISTEN_PID": "7", "LISTEN_FDS": str(count), "LISTEN_FDNAMES": names, "HOME": "/"}


def test_sockets_are_told_apart_by_what_they_are(first: int, tmp_path: Path) -> None:
    """Port, control socket, netlink socket and stored memfd are found in any order."""
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "control.sock"))
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4)
    inet = socket.socket(socket.AF_INET)
    hand_over(first, sealed_memfd(b"kept"), netlink.detach(), unix.detach(), inet.detach())
    environ = environment(4, "sessions:a:b:c")

    found = take_inherited(environ, 7, first=first)

    assert {"HOME": "/"} == environ
    assert found.port is not None
    assert found.control is not None
    assert found.sock_diag is not None
    with closing(found.port), closing(found.control), closing(found.sock_diag):
        assert (first + 3, first + 2, first + 1) == (
            found.port.fileno(),
            found.control.fileno(),
            found.sock_diag.fileno(),
        )
        assert not os.get_inheritable(found.port.fileno())
    assert {"sessions": first} == found.stored
    manager = Manager(found, Notifier(), None)
    assert b"kept" == manager.restore()
    assert b"" == manager.restore()


@pytest.mark.parametrize("change", [{"LISTEN_PID": "8"}, {"LISTEN_FDS": "many"}, {"LISTEN_PID": ""}])
def test_what_is_meant_for_another_is_left_alone(first: int, change: dict[str, str]) -> None:
    """If LISTEN_PID is not ours, or LISTEN_FDS no number, no descriptor is touched; the variables are removed."""
    inet = socket.socket(socket.AF_INET)
    hand_over(first, inet.detach())
    environ = environment(1) | change

    found = take_inherited(environ, 7, first=first)

    os.close(first)
    assert found.port is None
    assert {"HOME": "/"} == environ


def test_a_second_port_and_a_pipe_are_closed(first: int) -> None:
    """A second port and a pipe are closed."""
    reading, writing = os.pipe()
    os.close(writing)
    ports = [socket.socket(socket.AF_INET).detach() for _ in range(2)]
    hand_over(first, reading, *ports)

    found = take_inherited(environment(3), 7, first=first)

    assert found.port is not None
    found.port.close()
    for descriptor in range(first, first + 3):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_what_is_not_there_or_no_port_is_passed_over(first: int) -> None:
    """A listed descriptor that is closed is skipped, and a datagram socket is closed: the others count."""
    hand_over(first, socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach())
    os.dup2(0, first + 2)
    os.close(first + 2)
    port = socket.socket(socket.AF_INET)
    os.dup2(port.detach(), first + 1)

    found = take_inherited(environment(3), 7, first=first)

    assert found.port is not None
    with closing(found.port):
        assert first + 1 == found.port.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first)


# Opens the port and, if it has a path, the control socket, as a service manager would; then becomes the daemon.
OPENER = """
import fcntl, os, socket, sys
host, port, path, *program = sys.argv[1:]
opened = [socket.create_server((host, int(port)))]
if path:
    opened.append(socket.socket(socket.AF_UNIX))
    opened[1].bind(path)
    opened[1].listen()
aside = [fcntl.fcntl(sock, fcntl.F_DUPFD, 9) for sock in opened]
for number, descriptor in enumerate(aside, 3):
    os.dup2(descriptor, number)
    os.set_inheritable(number, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(opened))}
os.execv(program[0], program)
"""


async def test_a_port_that_others_could_reach_is_refused(world: World) -> None:
    """The daemon refuses an inherited port on another address than 127.0.0.1."""
    opener = (sys.executable, "-c", OPENER)
    serve = (sys.executable, "-m", "mayfly", "serve")

    ended = await world.run_program(*opener, "0.0.0.0", str(world.port), "", *serve)

    assert 2 == ended.code
    assert f"mayfly: error: the service manager has opened 0.0.0.0:{world.port}, and mayfly serves on" in ended.err
    assert "Traceback" not in ended.err
    async with world.serve(prefix=(*opener, "127.0.0.1", str(world.port), ""), env={"MAYFLY_LISTEN": "127.0.0.1:1"}):
        assert 200 == (await world.get()).status


async def test_a_control_socket_that_was_handed_over_stays(world: World) -> None:
    """A daemon that ends leaves the manager's control socket at its path, for the next daemon."""
    path = world.run_dir / "control.sock"
    path.parent.mkdir(mode=0o700)
    opener = (sys.executable, "-c", OPENER, "127.0.0.1", str(world.port), str(path))
    async with world.serve(prefix=opener):
        assert 200 == (await world.get()).status

    assert path.is_socket()


def test_nothing_is_served_by_a_call_that_removes_its_socket() -> None:
    """asyncio's Unix servers remove their path when they close (Python 3.13): ours are all made by `create_server`."""
    sources = Path(mayfly.__file__).parent.rglob("*.py")

    assert [] == [str(path) for path in sources if re.search(r"\w_unix_server\(", path.read_text())]


def test_without_names_nothing_is_recalled(first: int) -> None:
    """A stored memfd under another name is closed and not read."""
    hand_over(first, sealed_memfd(b"kept"))

    assert b"" == Manager(take_inherited(environment(1, "others"), 7, first=first), Notifier(), None).restore()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first)
