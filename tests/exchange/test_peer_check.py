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
from support.managers import UserManager


CLIENT = "import socket, sys; s = socket.socket(1); s.connect(sys.argv[1]); s.recv(1)"

USERS = "/user.slice/user-1000.slice/user@1000.service"
EXCHANGE = f"{USERS}/app.slice/app-mayfly\\x2dexchange.slice/mayfly-exchange@3-4711-1000.service"
DAEMON = f"{USERS}/app.slice/mayfly.service"
# A container's manager, or one that a test has started.
NESTED = "/docker/0a1b2c/init.scope.d"
# systemd before 247 had no app.slice.
OLD = "/user.slice/user-1000.slice/user@1000.service"


def _lines(unified: str, named: str | None = None) -> str:
    """/proc/PID/cgroup: of version 2 alone, or of a hybrid with version 1's hierarchies."""
    if named is None:
        return f"0::{unified}\n"
    return f"12:pids:/user.slice\n4:memory:/x/mayfly.service\n1:name=systemd:{named}\n0::{unified}\n"


DAEMONS = {
    "version 2": (_lines(EXCHANGE), _lines(DAEMON)),
    "hybrid": (_lines(EXCHANGE, EXCHANGE), _lines(DAEMON, DAEMON)),
    "version 1": (_lines("/", EXCHANGE), _lines("/", DAEMON)),
    "a hybrid that systemd leaves alone": (_lines(EXCHANGE, "/"), _lines(DAEMON, "/")),
    "without app.slice": (
        _lines(f"{OLD}/mayfly\\x2dexchange.slice/mayfly-exchange@3.service"),
        _lines(f"{OLD}/mayfly.service"),
    ),
    "a slice of the user's choice": (_lines(EXCHANGE), _lines(f"{USERS}/background.slice/mayfly.service")),
    "nested slices": (_lines(EXCHANGE), _lines(f"{USERS}/app.slice/app-aws.slice/app-aws-keys.slice/mayfly.service")),
    "another manager's root": (
        _lines(f"{NESTED}/app.slice/app-mayfly\\x2dexchange.slice/mayfly-exchange@0-1-0.service"),
        _lines(f"{NESTED}/app.slice/mayfly.service"),
    ),
    "a root that is the whole machine": (
        _lines("/app.slice/app-mayfly\\x2dexchange.slice/mayfly-exchange@0-1-0.service"),
        _lines("/app.slice/mayfly.service"),
    ),
}
STRANGERS = {
    "a terminal": (_lines(EXCHANGE), _lines("/user.slice/user-1000.slice/session-2.scope")),
    "another unit": (_lines(EXCHANGE), _lines(f"{USERS}/app.slice/other.service")),
    "a unit called alike": (_lines(EXCHANGE), _lines(f"{USERS}/app.slice/not-mayfly.service")),
    "another exchange": (_lines(EXCHANGE), _lines(EXCHANGE)),
    "a group of another unit's": (_lines(EXCHANGE), _lines(f"{USERS}/app.slice/other.service/mayfly.service")),
    "a group of a scope's": (_lines(EXCHANGE), _lines(f"{USERS}/user.slice/libpod-1.scope/mayfly.service")),
    "a group of the exchange's": (_lines(EXCHANGE), _lines(f"{EXCHANGE}/mayfly.service")),
    "a slice in another unit": (_lines(EXCHANGE), _lines(f"{USERS}/app.slice/other.service/app.slice/mayfly.service")),
    "a group below the daemon's": (_lines(EXCHANGE), _lines(f"{DAEMON}/other.scope")),
    "the daemon's twin below itself": (_lines(EXCHANGE), _lines(f"{DAEMON}/mayfly.service")),
    "a slice of no other slice": (_lines(EXCHANGE), _lines(f"{USERS}/app.slice/other.slice/mayfly.service")),
    "a slice without its parent": (_lines(EXCHANGE), _lines(f"{USERS}/app-aws.slice/mayfly.service")),
    "a nameless slice": (_lines(EXCHANGE), _lines(f"{USERS}/.slice/mayfly.service")),
    "the system's manager": (_lines(EXCHANGE), _lines("/system.slice/mayfly.service")),
    "another user's manager": (
        _lines(EXCHANGE),
        _lines("/user.slice/user-1001.slice/user@1001.service/app.slice/mayfly.service"),
    ),
    "a manager that begins alike": (_lines(EXCHANGE), _lines(f"{USERS}x/app.slice/mayfly.service")),
    "outside of our namespace": (_lines(EXCHANGE), _lines("/../../app.slice/mayfly.service")),
    "in one hierarchy alone": (_lines(EXCHANGE, EXCHANGE), _lines(f"{USERS}/app.slice/other.service", DAEMON)),
    "in the other hierarchy alone": (_lines(EXCHANGE, EXCHANGE), _lines(DAEMON, f"{USERS}/app.slice/other.service")),
    "in none": (_lines(EXCHANGE), ""),
    "in the memory hierarchy": (_lines("/", EXCHANGE), "4:memory:" + DAEMON + "\n1:name=systemd:/\n0::/\n"),
    "of a made-up name": (_lines(EXCHANGE), f"1:name=x:{DAEMON}\n0::/\n"),
    "where we are no unit": (_lines("/"), _lines(DAEMON)),
    "where we are another unit": (_lines(f"{USERS}/app.slice/mayfly.service"), _lines(DAEMON)),
    "where we are a group of another unit's": (_lines(f"{USERS}/app.slice/a.service/x"), _lines(DAEMON)),
}


def _proc(folder: Path, own: str, peer: str) -> Path:
    for pid, text in (("self", own), ("7", peer)):
        (folder / pid).mkdir()
        (folder / pid / "cgroup").write_bytes(text.encode())
    return folder


@pytest.mark.parametrize(("own", "peer"), DAEMONS.values(), ids=DAEMONS.keys())
def test_the_daemons_unit_is_known_by_its_whole_path(tmp_path: Path, own: str, peer: str) -> None:
    """The daemon is mayfly.service of the manager that started this exchange, in any slice."""
    assert peer_check.is_of_daemons_unit(7, _proc(tmp_path, own, peer))


@pytest.mark.parametrize("end", ["\r", "\r\v", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_the_name_of_a_control_group_forges_no_line(tmp_path: Path, end: str) -> None:
    """A delegated group's name may contain any character but "\\n", so no other one ends a line."""
    forged = f"{USERS}/app.slice/other.service/a{end}1:name=systemd:{DAEMON}{end}0::{DAEMON}"
    proc = _proc(tmp_path, _lines(EXCHANGE, EXCHANGE), _lines(forged, forged))

    assert not peer_check.is_of_daemons_unit(7, proc)


def test_the_name_of_a_control_group_may_be_no_text(tmp_path: Path) -> None:
    """A group whose name is not UTF-8 is another group, and no failure."""
    proc = _proc(tmp_path, _lines(EXCHANGE), "")
    (proc / "7/cgroup").write_bytes(_lines(f"{USERS}/app.slice/other.service/x").encode().replace(b"x", b"\xff"))

    assert not peer_check.is_of_daemons_unit(7, proc)


@pytest.mark.parametrize(("own", "peer"), STRANGERS.values(), ids=STRANGERS.keys())
def test_a_control_group_that_is_called_like_the_unit_is_not_the_unit(tmp_path: Path, own: str, peer: str) -> None:
    """A delegated group may have any name below itself, and on a hybrid be in two places."""
    assert not peer_check.is_of_daemons_unit(7, _proc(tmp_path, own, peer))


def test_a_process_that_has_gone_is_in_no_unit(tmp_path: Path) -> None:
    """Nothing is known of a process that has ended."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text(_lines(EXCHANGE))

    assert not peer_check.is_of_daemons_unit(7, tmp_path)


def test_pipes_come_from_whoever_has_started_us() -> None:
    """Only our parent can have put a pipe there."""
    reading, writing = os.pipe()

    assert peer_check.may_ask(reading)
    os.close(reading)
    os.close(writing)


def test_a_network_socket_may_not_ask() -> None:
    """The only sockets that may ask are Unix sockets."""
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
    """Another user may not ask, not even from the daemon's unit or as our parent."""
    # Nobody but systemd could put us there.
    monkeypatch.setattr(peer_check, "is_of_daemons_unit", bool)
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
    """An exchange whose standard input is a stranger's socket does not read the request."""
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


# Run in a delegated control group: makes one in it that is called like the daemon's, moves there, and asks.
DELEGATED = """
import os, pathlib, socket, sys
moved = []
for line in open("/proc/self/cgroup").read().splitlines():
    number, controllers, path = line.split(":", 2)
    for tree in ("unified", "systemd", ""):
        group = pathlib.Path("/sys/fs/cgroup", tree, path.lstrip("/"), "mayfly.service")
        if path != "/" and (group.parent / "cgroup.procs").exists():
            group.mkdir(exist_ok=True)
            (group / "cgroup.procs").write_text(str(os.getpid()))
            moved.append(str(group))
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(b"{}\\n")
sock.shutdown(socket.SHUT_WR)
try:
    told = sock.recv(99)
except ConnectionResetError:
    told = b""
print(open("/proc/self/cgroup").read(), told)
"""


async def test_a_delegated_group_called_like_the_daemon_may_not_ask(ordinary: UserManager) -> None:
    """Under a real systemd: a unit that makes itself a group of the daemon's name is hung up on."""
    await ordinary.install("--now")
    script = ordinary.world.folder / "delegated.py"
    script.write_text(DELEGATED)
    command = (str(ordinary.python), "-I", str(script), f"/run/user/{ordinary.uid}/mayfly/exchange.sock")

    ended = await ordinary.run("systemd-run", "--user", "--quiet", "--pipe", "--wait", "-pDelegate=yes", *command)
    async with asyncio.timeout(20):
        while not (said := ordinary.log("mayfly-exchange@.service")):
            await asyncio.sleep(0.05)

    assert "service/mayfly.service\n" in ended.out, ended.err
    assert "only mayfly.service may ask" in said


async def test_the_daemon_may_ask(ordinary: UserManager) -> None:
    """Under a real systemd the daemon gets credentials."""
    await ordinary.install("--now")

    assert "AccessKeyId" in await ordinary.fetch()
