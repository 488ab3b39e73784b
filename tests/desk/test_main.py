"""The desk as a program and as a service, asked through its socket."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import sys

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mayfly.daemon.delivery.binding import from_desk
from mayfly.daemon.remote_desk import RemoteDesk
from mayfly.desk.__main__ import main, serve
from mayfly.shared.desk import Caller, Presence, Scene
from mayfly.shared.errors import GrantUndelivered
from support.deliveries import ID, descriptor_of
from support.desks import FakeDesk, desk_service, put_program
from support.engine import NOON


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="there is a seal on Linux alone")


@pytest.fixture(name="desk")
def _desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture(name="path")
async def _path(desk: FakeDesk, tmp_path: Path) -> AsyncIterator[Path]:
    """The socket of the desk's service."""
    async with desk_service(tmp_path, desk) as path:
        yield path


async def test_every_question_is_answered(desk: FakeDesk, path: Path) -> None:
    """Presence, a client's process and a notification go through the socket and back."""
    remote = RemoteDesk(path, lambda: NOON)
    desk.seen = Presence.AWAY

    assert Scene(presence=Presence.AWAY) == await remote.scene()
    assert Caller(7, "terraform") == await remote.caller(7)
    assert await remote.caller(0) is None
    assert (Caller(7, "aws by curl"), None) == (await remote.process(7), await remote.process(0))
    await remote.tell("Mayfly", "nsrc ends in 5 min")
    assert [("Mayfly", "nsrc ends in 5 min")] == desk.told


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"nonsense\n",
        b"{}\n",
        b"[]\n",
        b'{"question": "caller"}\n',
        b'{"question": "dance"}\n',
        b'{"question": "listen"}\n',
        b'{"question": "listen", "grant": "../tokens"}\n',
        b'{"question"',
        b'{"question": "caller", "inode": 1e999}\n',
        b"[" * 4000 + b"\n",
        b"x" * 9999,
    ],
)
async def test_a_malformed_question_is_not_answered(path: Path, raw: bytes) -> None:
    """A malformed question gets no answer and leaves no traceback, and the desk goes on."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, fault: faults.append(fault))
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(raw)
    writer.write_eof()
    # A reset if the desk has not read the whole of an overlong line.
    with suppress(ConnectionResetError):
        async with asyncio.timeout(10):
            assert b"" == await reader.read()
    writer.close()

    assert Caller(7, "terraform") == await RemoteDesk(path, lambda: NOON).caller(7)
    assert [] == faults


@linux_only
async def test_the_desk_binds_a_grants_socket_for_the_daemon(desk: FakeDesk, path: Path) -> None:
    """For a daemon that may not bind: in the grant's folder, beside the desk's own socket, for every user."""
    (path.parent / "grants" / ID).mkdir(parents=True)
    with await asyncio.to_thread(from_desk, str(path), ID) as sock:
        bound = path.parent / "grants" / ID / ".s"
        is_inherited, mode = sock.get_inheritable(), stat.filemode(bound.stat().st_mode)
        folder = descriptor_of(str(bound.parent))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"/proc/self/fd/{folder}/.s")
            sock.accept()[0].close()
        os.close(folder)

    assert (False, "srw-rw-rw-") == (is_inherited, mode)
    assert Caller(7, "terraform") == await RemoteDesk(path, lambda: NOON).caller(7)


async def test_a_socket_that_the_desk_cannot_bind_is_an_error(desk: FakeDesk, path: Path, tmp_path: Path) -> None:
    """The daemon hears the desk's reason; a desk of an earlier version, or none, is to be restarted."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (path.parent / "grants").mkdir()
    (path.parent / "grants" / ID).symlink_to(outside)
    with pytest.raises(NotADirectoryError):
        await asyncio.to_thread(from_desk, str(path), ID)
    assert [] == list(outside.iterdir())

    async def earlier(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(earlier, tmp_path / "e"):
        for place in ("e", "missing"):
            with pytest.raises(GrantUndelivered) as raised:
                await asyncio.to_thread(from_desk, str(tmp_path / place), ID)
            assert "systemctl --user restart mayfly-desk.service" == raised.value.hint


ASKER = """
import os, socket, sys
sock = socket.socket(1)
sock.connect(sys.argv[1])
sock.sendall(b'{"question": "caller", "inode": 7}\\n')
os.write(1, sock.recv(999))
"""


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="another user is played by root only")
@pytest.mark.parametrize(("user", "is_answered"), [(0, True), (65534, False)])
async def test_another_user_is_not_answered(path: Path, user: int, *, is_answered: bool) -> None:
    """The desk checks the user of each connection, also if the mode of its socket lets others in."""
    # The other user keeps the capability to reach Python and the socket, which are in root's folders.
    rights = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override") if user else ()
    asker = await asyncio.create_subprocess_exec(
        *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *rights, sys.executable, "-I"),
        *("-c", ASKER, str(path)),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, _ = await asker.communicate()

    assert (b'[7, "terraform"]\n' if is_answered else b"") == out


async def test_the_desk_leaves_systemds_socket_where_it_is(desk: FakeDesk, tmp_path: Path) -> None:
    """A desk that ends leaves the socket that systemd handed over at its path, and the next desk answers there.

    asyncio of Python 3.13 and newer removes the path of a Unix server that ends.
    """
    path = tmp_path / "desk.sock"
    remote = RemoteDesk(path, lambda: NOON)
    desk.seen = Presence.LOCKED
    with socket.socket(socket.AF_UNIX) as systemds:
        systemds.bind(str(path))
        systemds.listen()
        for _ in range(2):
            serving = asyncio.create_task(serve(systemds.dup(), desk, 0.2))
            assert Presence.LOCKED is (await remote.scene()).presence
            assert Caller(7, "terraform") == await remote.caller(7)
            async with asyncio.timeout(10):
                await serving
            assert path.is_socket()


# As systemd does: the socket is descriptor 3, and the environment names the process that it is for.
HAND_DOWN = """
import os, sys
if sys.argv[1] != "3":
    os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "-I", "-m", "mayfly.desk"])
"""


async def test_the_program_answers_on_the_socket_that_it_was_given(tmp_path: Path, programs: Path) -> None:
    """`python -I -m mayfly.desk`, given a socket as by systemd, answers with the presence that logind tells."""
    put_program(programs, "loginctl", 'case "$1" in show-user) echo c2;; *) echo LockedHint=yes;; esac')
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen()
        number = sock.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            HAND_DOWN,
            str(number),
            pass_fds=[number],
        )
    presence = (await RemoteDesk(tmp_path / "s", lambda: NOON).scene()).presence
    process.terminate()
    await process.wait()
    assert (Presence.LOCKED if sys.platform == "linux" else Presence.PRESENT) is presence


async def test_only_systemd_starts_the_desk() -> None:
    """Run by hand, the desk ends and names the command that installs it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "mayfly.desk"),
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("LISTEN_")},
    )
    _, err = await process.communicate()

    assert (2, True) == (process.returncode, b"mayfly install" in err)


def test_a_socket_for_another_process_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket for another process (LISTEN_PID) is not taken."""
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert 2 == main()
