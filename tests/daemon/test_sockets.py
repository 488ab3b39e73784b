"""The daemon's port and control socket: had, taken, or refused."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import threading

from pathlib import Path

import pytest

from mayfly.daemon import sockets
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid


ANY_PORT = ("127.0.0.1", 0)


@pytest.fixture(name="run_dir", autouse=True)
def _run_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def test_a_port_is_listened_on_with_a_long_queue() -> None:
    """A thousand clients may knock at once."""
    with sockets.bind_port(ANY_PORT) as port:
        assert "127.0.0.1" == port.getsockname()[0]
        assert 1 == port.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert 1024 == sockets.BACKLOG


@pytest.mark.parametrize("rounds", range(4))
async def test_who_was_accepted_at_the_last_moment_is_answered(rounds: int) -> None:
    """Wherever between knocking and being heard clients are when accepting stops, they get an answer.

    Who is not accepted by then is answered by the next daemon, which has the same socket from systemd.
    """
    answers: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(1))
        writer.close()

    with sockets.bind_port(ANY_PORT) as inherited:
        first = await asyncio.start_server(answer, sock=inherited.dup())
        clients = [socket.create_connection(inherited.getsockname(), 10) for _ in range(2)]
        for client in clients:
            client.sendall(b"?")
        for _ in range(rounds):
            await asyncio.sleep(0)
        await sockets.stop_accepting([first])
        async with await asyncio.start_server(answer, sock=inherited.dup()):
            for client in clients:
                with client:
                    answers.append(await asyncio.to_thread(client.recv, 1))

    assert [b"?", b"?"] == answers


def test_a_port_that_somebody_has_is_taken() -> None:
    """Whoever came first keeps it."""
    with sockets.bind_port(ANY_PORT) as port:
        address = port.getsockname()
        with pytest.raises(sockets.PortTaken) as taken:
            sockets.bind_port(address)

    assert f"127.0.0.1:{address[1]} cannot be listened on: Address already in use" == str(taken.value)


def test_an_address_that_is_not_this_machines_is_not_to_be_had() -> None:
    """Whatever the system says is told in its words, and blamed on nobody."""
    with pytest.raises(sockets.Taken) as taken:
        sockets.bind_port(("192.0.2.1", 9170))

    assert not isinstance(taken.value, sockets.PortTaken)
    assert "192.0.2.1:9170 cannot be listened on: Cannot assign requested address" == str(taken.value)


def test_where_no_port_can_be_opened_at_all_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the seal there is no network: a service that was handed no port says so, and shows no traceback."""

    def sealed(*_args: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))

    monkeypatch.setattr(socket, "socket", sealed)
    with pytest.raises(sockets.Taken) as taken:
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


def test_what_a_dead_daemon_left_is_replaced(run_dir: Path) -> None:
    """A socket that nobody answers on is in nobody's use."""
    sockets.bind_control().close()
    left = (run_dir / "control.sock").stat().st_ino

    with sockets.bind_control(), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(run_dir / "control.sock"))
    assert {"control.sock"} == {entry.name for entry in run_dir.iterdir()}
    assert left


def test_a_daemon_that_answers_is_left_alone(run_dir: Path) -> None:
    """A second one stops, and the first is still reached."""
    with sockets.bind_control(), pytest.raises(sockets.Taken) as taken:
        sockets.bind_control()

    assert f"another mayfly serves already: {run_dir}/control.sock is answered" == str(taken.value)
    assert not isinstance(taken.value, sockets.PortTaken)


def test_a_daemon_too_busy_to_answer_is_alive() -> None:
    """Its queue is full: that is not the silence of the dead."""
    path = paths.make_runtime_dir() / "control.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(sockets.Taken):
            sockets.bind_control()


def test_of_many_daemons_that_start_at_once_one_gets_the_control_socket() -> None:
    """Between bind and listen a newcomer looks dead: nobody is let in to see."""
    sockets.bind_control().close()
    had: list[socket.socket] = []
    taken: list[sockets.Taken] = []
    start = threading.Barrier(8)

    def try_it() -> None:
        start.wait()
        try:
            had.append(sockets.bind_control())
        except sockets.Taken as reason:
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
def test_what_is_no_socket_is_never_replaced(run_dir: Path, kind: str) -> None:
    """Somebody put it there: they are told, and it stays."""
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
    """A Unix socket's name has 107 bytes at most: the way out is a shorter folder."""
    folder = tmp_path / ("x" * 120)
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(folder))

    with pytest.raises(ConfigInvalid) as refusal:
        sockets.bind_control()

    assert (
        f"{folder}/control.sock: cannot be listened on: its name is too long: set MAYFLY_RUNTIME_DIR to a folder with "
        "a shorter one"
    ) == str(refusal.value)


def test_the_control_socket_goes_with_its_daemon(run_dir: Path) -> None:
    """And its going twice is no error."""
    with sockets.bind_control():
        sockets.unlink_control()
        sockets.unlink_control()

    assert [] == list(run_dir.iterdir())
