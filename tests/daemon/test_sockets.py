"""The daemon's port and control socket: bound, taken or refused."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import socket
import stat
import sys
import threading

from pathlib import Path

import pytest

from mayfly.daemon import sockets
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the sockets of a port")
KERNEL = tuple(int(word) for word in re.findall(r"[0-9]+", platform.release())[:2])
ANY_PORT = ("127.0.0.1", 0)


@pytest.fixture(name="run_dir", autouse=True)
def _run_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def test_a_port_that_somebody_has_is_taken() -> None:
    """The process that has a port keeps it."""
    with sockets.bind_port(ANY_PORT) as port:
        address = port.getsockname()
        with pytest.raises(sockets.PortTaken) as taken:
            sockets.bind_port(address)

    assert f"127.0.0.1:{address[1]} cannot be listened on: Address already in use" == str(taken.value)


@linux_only
@pytest.mark.skipif(KERNEL < (6, 8), reason="older kernels list no socket that is only bound")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"])
def test_a_port_that_somebody_shares_is_taken(host: str) -> None:
    """It could be listened on, but the other process would have it as soon as we end."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((host, 0))
        address = ("127.0.0.1", other.getsockname()[1])
        with pytest.raises(sockets.PortTaken) as taken:
            sockets.bind_port(address)
    with sockets.bind_port(address):
        pass

    assert f"127.0.0.1:{address[1]} cannot be listened on: another process has it, too" == str(taken.value)


@linux_only
def test_a_shell_that_looks_at_the_port_meanwhile_does_not_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`mayfly env` binds it for a moment; a connection of ours on the port does not matter either."""
    with socket.create_server(ANY_PORT) as before, socket.create_connection(before.getsockname()) as client:
        connection, _ = before.accept()
        address = before.getsockname()
        before.close()
        with connection, client, socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            monkeypatch.setattr("time.sleep", lambda _seconds: probe.close())
            with sockets.bind_port(address):
                pass


def test_an_address_of_another_machine_is_an_error() -> None:
    """The error quotes the system, and blames no other process."""
    with pytest.raises(sockets.CannotListen) as taken:
        sockets.bind_port(("192.0.2.1", 9170))

    assert not isinstance(taken.value, sockets.PortTaken)
    assert "192.0.2.1:9170 cannot be listened on: Cannot assign requested address" == str(taken.value)


def test_in_the_sealed_unit_a_missing_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sealed unit can open no socket: a service that was passed no port says so, without a traceback."""

    def sealed(*_args: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))

    monkeypatch.setattr(socket, "socket", sealed)
    with pytest.raises(sockets.CannotListen) as taken:
        sockets.bind_port(("127.0.0.1", 9170))

    assert f"127.0.0.1:9170 cannot be listened on: {os.strerror(errno.EAFNOSUPPORT)}" == str(taken.value)


def test_the_control_socket_is_for_its_user_alone(run_dir: Path) -> None:
    """0600 in a folder 0700 under any umask, which stays as it was."""
    before = os.umask(0o002)
    try:
        with sockets.bind_control():
            facts = (run_dir / "control.sock").stat()
            assert 0o002 == os.umask(0o002)
    finally:
        os.umask(before)

    assert stat.S_ISSOCK(facts.st_mode)
    assert (0o600, 0o700) == (facts.st_mode & 0o777, run_dir.stat().st_mode & 0o777)


def test_the_socket_of_a_dead_daemon_is_replaced(run_dir: Path) -> None:
    """A socket that no process listens on is replaced."""
    sockets.bind_control().close()
    left = (run_dir / "control.sock").stat().st_ino

    with sockets.bind_control(), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(run_dir / "control.sock"))
    assert {"control.sock"} == {entry.name for entry in run_dir.iterdir()}
    assert left


def test_a_daemon_that_answers_is_left_alone(run_dir: Path) -> None:
    """A second one stops, and the first is still reached."""
    with sockets.bind_control(), pytest.raises(sockets.CannotListen) as taken:
        sockets.bind_control()

    assert f"another mayfly serves already: {run_dir}/control.sock is answered" == str(taken.value)
    assert not isinstance(taken.value, sockets.PortTaken)


def test_a_daemon_too_busy_to_answer_is_alive() -> None:
    """A daemon whose queue is full counts as one that answers."""
    path = paths.make_runtime_dir() / "control.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(sockets.CannotListen):
            sockets.bind_control()


def test_of_many_daemons_that_start_at_once_one_gets_the_control_socket() -> None:
    """Between bind and listen a socket looks dead, so no other daemon may look at it then."""
    sockets.bind_control().close()
    had: list[socket.socket] = []
    taken: list[sockets.CannotListen] = []
    start = threading.Barrier(8)

    def try_it() -> None:
        start.wait()
        try:
            had.append(sockets.bind_control())
        except sockets.CannotListen as reason:
            taken.append(reason)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sock in had:
        sock.close()

    assert (1, 7) == (len(had), len(taken))


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_anything_but_a_socket_is_never_replaced(run_dir: Path, kind: str) -> None:
    """A file, a link or a folder in the socket's place stays, and the error says so."""
    path = paths.make_runtime_dir() / "control.sock"
    if kind == "file":
        path.write_text("precious")
    elif kind == "link":
        path.symlink_to(run_dir / "elsewhere")
    else:
        path.mkdir()

    with pytest.raises(ConfigInvalid) as refusal:
        sockets.bind_control()

    assert f"{path} is no socket: remove it" == str(refusal.value)
    assert os.path.lexists(path)
    assert not (run_dir / "elsewhere").exists()


def test_a_folder_with_too_long_a_name_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Unix socket's name has 107 bytes at most: the error asks for a shorter folder."""
    folder = tmp_path / ("x" * 120)
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(folder))

    with pytest.raises(ConfigInvalid) as refusal:
        sockets.bind_control()

    assert (
        f"{folder}/control.sock: cannot be listened on: its name is too long: set MAYFLY_RUNTIME_DIR to a folder with "
        "a shorter one"
    ) == str(refusal.value)


def test_the_control_socket_goes_with_its_daemon(run_dir: Path) -> None:
    """Removing it twice is no error."""
    with sockets.bind_control():
        ours = sockets.control_file()
        sockets.unlink_control(ours)
        sockets.unlink_control(ours)

    assert [] == list(run_dir.iterdir())


def test_the_control_socket_of_another_daemon_stays(run_dir: Path) -> None:
    """A daemon that ends late leaves the socket of the next one, which may have the same inode number."""
    sockets.bind_control().close()
    ours = sockets.control_file()
    with sockets.bind_control():
        sockets.unlink_control(ours)

        assert sockets.control_file() not in {None, ours}


def test_a_folder_that_has_gone_is_no_reason_to_fail(run_dir: Path) -> None:
    """At log-out the whole runtime folder may be removed before the daemon ends."""
    with sockets.bind_control():
        ours = sockets.control_file()
    shutil.rmtree(run_dir)

    sockets.unlink_control(ours)

    assert not run_dir.exists()
