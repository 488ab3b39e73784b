"""Who listens on a port, and whether that is another user: asked of the kernel, with real sockets."""

from __future__ import annotations

import os
import pwd
import socket
import sys

from pathlib import Path

import pytest

from mayfly.cli import ports, speech
from mayfly.shared import sock_diag
from support.ports import (
    ME,
    NOBODY,
    NoSockDiag,
    linux_only,
    listening,
    listening_elsewhere,
    our_program,
    row,
    uid_of,
)


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"])
def test_a_listener_is_found_on_every_address_of_ours(host: str) -> None:
    """127.0.0.1, all addresses, and both as IPv6 addresses are found, by sock_diag and by /proc."""
    with listening(host) as port:
        assert os.getuid() == ports.owner(port)
        assert os.getuid() == uid_of(ports.listed(ports._lines(), port))
        assert f"{our_program()} (pid {os.getpid()}) of {ME}" == ports.holder(port)

    assert ports.owner(port) is None
    assert ports.listed(ports._lines(), port) is None
    assert ports.holder(port) is None


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_a_listener_on_another_address_does_not_count(host: str) -> None:
    """A connection to 127.0.0.1 cannot reach it."""
    with listening_elsewhere(host) as port:
        assert ports.owner(port) is None
        assert ports.listed(ports._lines(), port) is None


@linux_only
def test_a_listener_for_ipv6_alone_does_not_count() -> None:
    """[::] without IPv4 gets no connection to 127.0.0.1."""
    with listening_elsewhere("::", v6_only=True) as port:
        assert ports.owner(port) is None


@linux_only
def test_a_connection_is_no_listener() -> None:
    """A client's own port has no owner: nobody can connect to it."""
    with listening("127.0.0.1") as port, socket.create_connection(("127.0.0.1", port)) as client:
        assert ports.owner(client.getsockname()[1]) is None


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], None),
        ([row("127.0.0.1", 9170, 7)], 7),
        ([row("127.0.0.1", 9171, 7), row("127.0.0.1", 9170, 7, state="01")], None),
        ([row("::", 9170, 9), row("0.0.0.0", 9170, 8), row("127.0.0.1", 9170, 7)], 7),
        ([row("::", 9170, 9), row("0.0.0.0", 9170, 8)], 8),
        ([row("::", 9170, 9), row("192.0.2.1", 9170, 8)], 9),
        ([row("::ffff:127.0.0.1", 9170, 7), row("0.0.0.0", 9170, 8)], 7),
        ([row("::ffff:0.0.0.0", 9170, 7), row("::1", 9170, 8)], 7),
    ],
)
def test_the_listener_with_the_most_specific_address_gets_the_connection(rows: list[str], expected: int | None) -> None:
    """127.0.0.1 comes before all addresses, and IPv4 before IPv6."""
    assert expected == uid_of(ports.listed(rows, 9170))


@linux_only
def test_without_sock_diag_proc_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc tells the same owner."""
    monkeypatch.setattr(sock_diag, "SockDiag", NoSockDiag)
    with listening("127.0.0.1") as port:
        assert os.getuid() == ports.owner(port)


@linux_only
def test_an_owner_who_cannot_be_known_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without sock_diag and /proc, and on other systems, no port has an owner or a holder."""
    with listening("127.0.0.1") as port:
        monkeypatch.setattr(sock_diag, "SockDiag", NoSockDiag)
        monkeypatch.setattr(ports, "PROC", tmp_path)
        assert (None, None) == (ports.owner(port), ports.holder(port))

        monkeypatch.undo()
        monkeypatch.setattr(sys, "platform", "darwin")
        assert (None, None) == (ports.owner(port), ports.holder(port))


@linux_only
def test_a_port_of_ours_is_accepted_and_another_users_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the owner, the port, and what to do."""
    me = pwd.getpwuid(os.getuid()).pw_name
    with listening("127.0.0.1") as port:
        ports.refuse_other_users(port)
        monkeypatch.setattr(os, "getuid", lambda: NOBODY)
        with pytest.raises(speech.Stop) as stop:
            ports.refuse_other_users(port)

    assert speech.FAILED == stop.value.exit_code
    assert (f"port {port} belongs to {me}: another program answers there",) == stop.value.errors
    assert any(f":{port}" in hint for hint in stop.value.hints)
    ports.refuse_other_users(port)
