"""Who may ask an exchange."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys

from pathlib import Path

import pytest

from mayfly.exchange import peer_check


CLIENT = "import socket, sys; s = socket.socket(1); s.connect(sys.argv[1]); s.recv(1)"


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/mayfly.service\n", {"mayfly.service"}),
        ("4:memory:/x/mayfly.service\n1:name=systemd:/a/init.scope\n0::/a/init.scope\n", {"init.scope"}),
        ("1:name=systemd:/a/mayfly.service\n0::/\n", {"mayfly.service"}),
        ("0::/mayfly.service/evil.scope\n", {"evil.scope"}),
        ("0::/\n", set()),
        ("", set()),
    ],
)
def test_a_process_is_in_the_unit_that_its_control_group_names(tmp_path: Path, text: str, units: set[str]) -> None:
    """Of cgroup v1's many hierarchies systemd's own counts, and of a path its last part."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text(text)

    assert units == peer_check.units_of(7, tmp_path)


def test_a_process_that_has_gone_is_in_no_unit(tmp_path: Path) -> None:
    """Of whoever has ended nothing is known."""
    assert set() == peer_check.units_of(7, tmp_path)


def test_pipes_come_from_whoever_has_started_us() -> None:
    """What is no socket was put there by our parent."""
    reading, writing = os.pipe()

    assert peer_check.may_ask(reading)
    os.close(reading)
    os.close(writing)


def test_a_network_socket_may_not_ask() -> None:
    """Nobody asks through anything but a Unix socket."""
    with socket.socket() as sock:
        assert not peer_check.may_ask(sock.fileno())


def test_a_process_that_is_neither_parent_nor_daemon_may_not_ask() -> None:
    """The other end of this pair is ourselves: neither our parent, nor in the daemon's unit."""
    mine, yours = socket.socketpair()
    with mine, yours:
        assert not peer_check.may_ask(mine.fileno())


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="another user is played by root only")
@pytest.mark.parametrize(("user", "may_ask"), [(0, True), (65534, False)])
def test_another_user_may_not_ask(tmp_path: Path, user: int, *, may_ask: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even from the daemon's unit, nor as our parent."""
    # Nobody but systemd could put us there.
    monkeypatch.setattr(peer_check, "units_of", lambda pid: {peer_check.UNIT} if pid else set())
    path = tmp_path / "exchange.sock"
    rights = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override") if user else ()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *rights)
        with subprocess.Popen([*become, sys.executable, "-I", "-c", CLIENT, str(path)]):
            listening.settimeout(20)
            accepted, _ = listening.accept()
            with accepted:
                assert may_ask == peer_check.may_ask(accepted.fileno())


async def test_an_exchange_with_a_stranger_ends_at_once(tmp_path: Path) -> None:
    """An exchange whose standard input is a stranger's socket does not read what stands there."""
    path = tmp_path / "exchange.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        client = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-I",
                "-c",
                "import socket, sys; s = socket.socket(1); s.connect(sys.argv[1]); s.recv(1)",
            ),
            str(path),
        )
        accepted, _ = listening.accept()
    with accepted:
        exchange = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "mayfly.exchange"),
            stdin=accepted,
            stdout=accepted,
            stderr=asyncio.subprocess.PIPE,
        )
    async with asyncio.timeout(20):
        _, err = await exchange.communicate()
        await client.wait()

    assert (2, True) == (exchange.returncode, b"only mayfly.service may ask" in err)
