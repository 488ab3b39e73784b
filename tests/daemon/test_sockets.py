"""The daemon's port and control socket: bound, taken or refused; and who has a port."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading

from collections.abc import Iterator
from pathlib import Path

import pytest

from mayfly.cli import holders
from mayfly.daemon import sockets
from mayfly.shared import paths, users
from mayfly.shared.errors import ConfigInvalid


FOREIGN = 65534
ANY_PORT = ("127.0.0.1", 0)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can start a process of another user")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a port")


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
    """0600 in a folder 0700, whatever the umask, which is left as it was."""
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


LISTENER = """
import os, socket, sys
open("/proc/self/comm", "w").write("a\\tname")
if sys.argv[1] != "-":
    os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
is_v6 = ":" in sys.argv[2]
sock = socket.create_server((sys.argv[2], 0), family=socket.AF_INET6 if is_v6 else socket.AF_INET, dualstack_ipv6=is_v6)
print(sock.getsockname()[1], flush=True)
sys.stdin.read()
"""


class Listener:
    """A process that has a port."""

    def __init__(self, host: str = "127.0.0.1", uid: str = "-") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LISTENER, uid, host], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


@pytest.fixture(name="listen")
def _listen() -> Iterator[type[Listener]]:
    started: list[Listener] = []

    class StoredSession(Listener):
        def __init__(self, host: str = "127.0.0.1", uid: str = "-") -> None:
            super().__init__(host, uid)
            started.append(self)

    yield StoredSession
    for listener in started:
        listener.end()


@needs_linux
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_who_has_a_port_is_told_with_program_process_and_user(listen: type[Listener], host: str) -> None:
    """However general the address that it listens on; a name that could steer a terminal is defused."""
    listener = listen(host)

    expected = f"a?name (pid {listener.process.pid}) of {users.user_name(os.getuid())}"
    assert expected == holders.holder(listener.port)


@needs_linux
@needs_root
def test_who_has_a_port_is_told_of_another_user_too(listen: type[Listener]) -> None:
    """Root may see everybody's processes."""
    listener = listen("127.0.0.1", str(FOREIGN))

    expected = f"a?name (pid {listener.process.pid}) of {users.user_name(FOREIGN)}"
    assert expected == holders.holder(listener.port)


def test_nobody_has_a_free_port() -> None:
    """Then there is nothing to tell."""
    with sockets.bind_port(ANY_PORT) as port:
        address = port.getsockname()

    assert holders.holder(address[1]) is None


ROW = "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5d} 0 4711 1 0 100 0 0 10 0"
COLUMNS = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"


def proc(folder: Path, **tables: list[str]) -> Path:
    """A /proc with nothing in it but these tables of sockets."""
    (folder / "net").mkdir(exist_ok=True)
    for name, rows in tables.items():
        (folder / "net" / name).write_text("\n".join([COLUMNS, *rows, ""]))
    return folder


@pytest.fixture(name="empty")
def _empty(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    return tmp_path / "proc"


def row(address: str, state: str = "0A", uid: int = 0) -> str:
    return ROW.format(address=f"{address}:23D2", state=state, uid=uid)


LOOPBACK = "0100007F" if sys.byteorder == "little" else "7F000001"
NOBODY = users.user_name(FOREIGN)


def test_a_process_that_may_not_be_seen_is_told_by_its_user(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    """/proc shows only our own processes' descriptors: of another user's socket the owner is known, and no more."""
    monkeypatch.setattr(holders, "PROC", proc(empty, tcp=[row(LOOPBACK, uid=FOREIGN)]))
    (empty / "77").mkdir()
    (empty / "78").write_text("gone, and something else in its place")

    assert f"a process of {NOBODY}" == holders.holder(9170)
    assert holders.holder(9171) is None


def process(folder: Path, pid: int, *words: str, uid: int | None = None, is_open: bool = False) -> None:
    """A process of ours, or of `uid`; whoever is not `is_open` has no descriptors to be seen."""
    (folder / str(pid) / ("fd" if is_open else "task")).mkdir(parents=True)
    whose = os.getuid() if uid is None else uid
    (folder / str(pid) / "status").write_text(f"Name:\tx\nUid:\t{whose}\t{whose}\t{whose}\t{whose}\n")
    (folder / str(pid) / "cmdline").write_text("\0".join([*words, ""]))


def test_a_daemon_of_ours_is_told_though_it_may_not_be_seen(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    """A daemon lets not even its own user look into it: it is known by its command line, and we are not it."""
    monkeypatch.setattr(holders, "PROC", proc(empty, tcp=[row(LOOPBACK, uid=os.getuid())]))
    process(empty, 70, "vim", "mayfly")
    process(empty, 71, "strace", "mayfly", "serve", is_open=True)
    process(empty, 72, "/usr/bin/python3", "/usr/bin/mayfly", "serve", uid=os.getuid() + 1)
    process(empty, os.getpid(), "/usr/bin/python3", "/usr/bin/mayfly", "serve")
    nobody = holders.holder(9170)
    process(empty, 77, "/usr/bin/python3", "-m", "mayfly", "serve", "--listen", "127.0.0.1:9170")
    one = holders.holder(9170)
    process(empty, 8, "/usr/bin/python3", "/usr/bin/mayfly", "serve")
    two = holders.holder(9170)
    monkeypatch.setattr(holders, "PROC", proc(empty, tcp=[row(LOOPBACK, uid=FOREIGN)]))

    me = users.user_name(os.getuid())
    assert [f"a process of {me}", f"mayfly serve (pid 77) of {me}", f"mayfly serve (pid 8 or 77) of {me}"] == [
        nobody,
        one,
        two,
    ]
    assert f"a process of {NOBODY}" == holders.holder(9170)


def test_the_most_particular_listener_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    """Connections that only pass through the port, or sockets of other addresses, are in nobody's way."""
    passing = [row(LOOPBACK, state="01", uid=1), row("00000000", uid=FOREIGN), row("0200007F", uid=1)]
    monkeypatch.setattr(holders, "PROC", proc(empty, tcp=passing, tcp6=[row("0" * 32, uid=1)]))

    assert f"a process of {NOBODY}" == holders.holder(9170)


def test_a_descriptor_that_goes_while_we_look_is_passed_over(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    """Busy processes open and close all the time: the others of theirs still count."""
    monkeypatch.setattr(holders, "PROC", proc(empty, tcp=[row(LOOPBACK)]))
    (empty / "77/fd").mkdir(parents=True)
    (empty / "77/fd/4").symlink_to("socket:[4711]")
    (empty / "77/comm").write_text("server\n")
    look = Path.readlink
    gone: list[Path] = []

    def readlink(path: Path) -> Path:
        if not gone:
            gone.append(path)
            raise FileNotFoundError
        return look(path)

    monkeypatch.setattr(Path, "readlink", readlink)
    (empty / "77/fd/3").symlink_to("socket:[4711]")

    assert "server (pid 77) of root" == holders.holder(9170)


def test_elsewhere_nothing_is_known(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    """macOS has no /proc, and no guess is made."""
    monkeypatch.setattr(holders, "PROC", empty)
    with sockets.bind_port(ANY_PORT) as port:
        assert holders.holder(port.getsockname()[1]) is None
