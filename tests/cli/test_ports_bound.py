"""Ports that are bound by a socket that does not listen, or only by closing connections: asked of the kernel."""

from __future__ import annotations

import os
import platform
import re
import socket

from contextlib import closing

import pytest

from mayfly.cli import ports
from mayfly.shared import sock_diag
from mayfly.shared.sock_diag import Holder, SockDiag, SocketOwner
from support.ports import (
    holding,
    linux_only,
    listening,
)


@pytest.fixture(name="kernel", params=["lists bound sockets", "is older"])
def _kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux lists sockets that are only bound since 6.8; before, only a bind that fails tells of them."""
    if request.param == "is older":
        monkeypatch.setattr(sock_diag.SockDiag, "lists_bound", lambda _self: False)


@linux_only
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("shares", [False, True])
def test_a_bound_port_has_an_unknown_holder(host: str, *, shares: bool) -> None:
    """No table lists such a socket, and its process may listen at any time; on another address it does no harm."""
    with holding(host, shares=shares) as holder:
        assert ports.has_unknown_holder(holder.getsockname()[1])
    with holding("127.0.0.2", shares=shares) as elsewhere:
        assert not ports.has_unknown_holder(elsewhere.getsockname()[1])


@linux_only
@pytest.mark.usefixtures("kernel")
def test_our_socket_on_another_address_hides_no_holder() -> None:
    """It does not explain why 127.0.0.1 is taken."""
    with listening("127.0.0.2") as port, holding("127.0.0.1", shares=False, port=port):
        assert ports.has_unknown_holder(port)


@linux_only
@pytest.mark.usefixtures("kernel")
def test_another_shell_that_tests_the_port_is_no_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    """It binds the port as we do, and has released it when we look again."""
    with holding("127.0.0.1", shares=False) as other:
        monkeypatch.setattr("time.sleep", lambda _seconds: other.close())
        assert not ports.has_unknown_holder(other.getsockname()[1])


@linux_only
@pytest.mark.usefixtures("kernel")
def test_a_client_of_ours_with_that_port_is_no_holder() -> None:
    """The kernel may give this very port to a connection of ours."""
    with listening("127.0.0.1") as port, socket.create_connection(("127.0.0.1", port)) as client:
        assert not ports.has_unknown_holder(client.getsockname()[1])


# All sockets of a port


@linux_only
def test_whether_bound_sockets_are_listed_is_tried_out() -> None:
    """Linux lists them since 6.8."""
    version = tuple(int(word) for word in re.findall(r"[0-9]+", platform.release())[:2])
    with closing(SockDiag()) as kernel:
        assert (version >= (6, 8)) == kernel.lists_bound()


@linux_only
@pytest.mark.parametrize("listens", [False, True])
@pytest.mark.parametrize(
    ("host", "expected"),
    {
        "127.0.0.1": 1,
        "0.0.0.0": 1,
        "::": 1,
        "::ffff:127.0.0.1": 1,
        "::ffff:0.0.0.0": 1,
        "127.0.0.2": 0,
        "::1": 0,
    }.items(),
)
def test_the_sockets_of_a_port_are_those_that_a_connection_could_reach(
    host: str, expected: int, *, listens: bool
) -> None:
    """127.0.0.1 and what it belongs to, as IPv4 and IPv6."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock, closing(SockDiag()) as kernel:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, 0))
        if listens:
            sock.listen()
        elif not kernel.lists_bound():
            pytest.skip("this kernel lists no socket that is only bound")
        found = kernel.holders(sock.getsockname()[1])
        mine = SocketOwner(os.getuid(), os.fstat(sock.fileno()).st_ino)

    assert expected * [Holder(mine, listens=listens, is_only_bound=not listens)] == found


@linux_only
@pytest.mark.parametrize("listens", [False, True])
def test_a_socket_for_ipv6_alone_is_none_of_the_ports(*, listens: bool) -> None:
    """A connection to 127.0.0.1 cannot reach it, whether it listens or not."""
    with socket.socket(socket.AF_INET6) as sock, closing(SockDiag()) as kernel:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("::", 0))
        if listens:
            sock.listen()
        assert [] == kernel.holders(sock.getsockname()[1])


@linux_only
def test_connections_of_processes_are_sockets_of_a_port_and_closing_ones_are_not() -> None:
    """A connection whose process has closed it is nobody's."""
    with closing(SockDiag()) as kernel, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        (first, _), (second, _) = listener.accept(), listener.accept()
        first.close()
        with second:
            found = kernel.holders(port)
        for client in clients:
            client.close()

    assert [(False, False), (True, False)] == sorted((one.listens, one.is_only_bound) for one in found)
