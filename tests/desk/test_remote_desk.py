"""The desk as a service of its own, asked through its socket."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mayfly.daemon import remote_desk
from mayfly.daemon.remote_desk import RemoteDesk
from mayfly.desk.__main__ import serve
from mayfly.shared.desk import Caller, Presence, Scene


NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Sight:
    """A desk that sees what it is told to see."""

    def __init__(self) -> None:
        self.seen: Presence | None = Presence.PRESENT
        self.told: list[tuple[str, str]] = []

    async def presence(self) -> Presence | None:
        return self.seen

    async def scene(self) -> Scene:
        raise AssertionError("what is remembered is remembered by whoever asks")

    async def tell(self, title: str, text: str) -> None:
        self.told.append((title, text))

    async def caller(self, inode: int) -> Caller | None:
        return Caller(inode, "terraform") if inode else None

    async def process(self, pid: int) -> Caller | None:
        return Caller(pid, "aws by curl") if pid else None


@pytest.fixture(name="sight")
def _sight() -> Sight:
    return Sight()


@pytest.fixture(name="path")
async def _path(sight: Sight, tmp_path: Path) -> AsyncIterator[Path]:
    """Where a desk with this sight answers."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "desk.sock"))
    sock.listen()
    serving = asyncio.create_task(serve(sock, sight, 600))
    yield tmp_path / "desk.sock"
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_every_question_is_answered(sight: Sight, path: Path) -> None:
    """Who is there, who is asking, and what they are told go through the socket and back."""
    desk = RemoteDesk(path, lambda: NOW)
    sight.seen = Presence.AWAY

    assert Scene(presence=Presence.AWAY) == await desk.scene()
    assert Caller(7, "terraform") == await desk.caller(7)
    assert await desk.caller(0) is None
    assert (Caller(7, "aws by curl"), None) == (await desk.process(7), await desk.process(0))
    await desk.tell("Mayfly", "nsrc ends in 5 min")
    assert [("Mayfly", "nsrc ends in 5 min")] == sight.told


async def test_an_unlock_is_remembered_though_the_desk_forgets(sight: Sight, path: Path) -> None:
    """When the screen was unlocked is known to whoever asks, so that the desk may end in between."""
    desk = RemoteDesk(path, lambda: NOW)
    sight.seen = Presence.LOCKED
    await desk.scene()
    sight.seen = Presence.PRESENT

    assert Scene(presence=Presence.PRESENT, unlocked_at=NOW) == await desk.scene()


async def test_a_lock_is_remembered_though_the_desk_forgets(sight: Sight, path: Path) -> None:
    """A desk that cannot say what it sees, as after its start on a busy machine, unlocks nothing."""
    desk = RemoteDesk(path, lambda: NOW)
    sight.seen = Presence.LOCKED
    await desk.scene()
    sight.seen = None

    assert Scene(presence=Presence.LOCKED) == await desk.scene()


@pytest.mark.parametrize("raw", [b"", b"\n", b"{}\n", b"[]\n", b'{"question": "dance"}\n', b'{"question"', b"x" * 9999])
async def test_what_is_no_question_is_hung_up_on(path: Path, raw: bytes) -> None:
    """Whatever is sent that is no question gets no answer, and the desk goes on."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(raw)
    writer.write_eof()
    # A reset, where it has left unread what was too long.
    with suppress(ConnectionResetError):
        async with asyncio.timeout(10):
            assert b"" == await reader.read()
    writer.close()

    assert Caller(7, "terraform") == await RemoteDesk(path, lambda: NOW).caller(7)


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
    """Wherever the socket is, and whatever its mode: the desk looks who asks."""
    # Python and the socket's folder are root's: so the right to search and write is kept, and the user is another.
    rights = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override") if user else ()
    asker = await asyncio.create_subprocess_exec(
        *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *rights, sys.executable, "-I"),
        *("-c", ASKER, str(path)),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, _ = await asker.communicate()

    assert (b'[7, "terraform"]\n' if is_answered else b"") == out


async def test_without_a_desk_everybody_counts_as_present(tmp_path: Path) -> None:
    """What cannot be asked is not known: somebody is there, and nobody is found."""
    desk = RemoteDesk(tmp_path / "gone.sock", lambda: NOW)

    assert Scene() == await desk.scene()
    assert await desk.caller(7) is None
    await desk.tell("Mayfly", "…")


async def test_an_answer_that_is_none_counts_as_not_known(tmp_path: Path) -> None:
    """A desk that answers something else is not believed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"pid": 1}\n')
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "desk.sock"):
        desk = RemoteDesk(tmp_path / "desk.sock", lambda: NOW)
        assert Scene() == await desk.scene()
        assert (None, None) == (await desk.caller(7), await desk.process(7))


async def test_the_desk_ends_when_nobody_asks(sight: Sight, tmp_path: Path) -> None:
    """After a while without a question the desk ends by itself."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "desk.sock"))
    sock.listen()

    async with asyncio.timeout(10):
        await serve(sock, sight, 0.01)


async def test_the_desk_leaves_systemds_socket_where_it_is(sight: Sight, tmp_path: Path) -> None:
    """A desk that ends leaves the socket that systemd handed over at its path, and the next desk answers there.

    asyncio of Python 3.13 and newer removes the path of a Unix server that ends.
    """
    path = tmp_path / "desk.sock"
    desk = RemoteDesk(path, lambda: NOW)
    sight.seen = Presence.LOCKED
    with socket.socket(socket.AF_UNIX) as systemds:
        systemds.bind(str(path))
        systemds.listen()
        for _ in range(2):
            serving = asyncio.create_task(serve(systemds.dup(), sight, 0.2))
            assert Presence.LOCKED is (await desk.scene()).presence
            assert Caller(7, "terraform") == await desk.caller(7)
            await serving
            assert path.is_socket()


def noted(path: Path, problem: str) -> list[str]:
    return [f"the desk does not answer: {problem.format(path=path)}; systemctl --user restart mayfly-desk.socket"]


async def test_a_desk_without_its_socket_is_noted(path: Path) -> None:
    """While the desk's socket is there and answers, there is no note; without it there is one, with what to run."""
    desk = RemoteDesk(path, lambda: NOW)
    unasked = desk.notes()
    await desk.scene()
    answered = desk.notes()
    aside = await asyncio.to_thread(path.rename, f"{path}.aside")
    missing = desk.notes()
    await asyncio.to_thread(aside.rename, path)

    assert ([], [], noted(path, "{path} is no socket")) == (unasked, answered, missing)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("refused", "{path}: Connection refused"),
        ("silent", "no answer within 0.1 s"),
        ("cut", "its answer cannot be read"),
    ],
)
async def test_a_desk_that_does_not_answer_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, problem: str
) -> None:
    """The note has the last question's failure. It goes with the next answer, and with a new socket."""
    monkeypatch.setattr(remote_desk, "PATIENCE_SECONDS", 0.1)
    path = tmp_path / "desk.sock"
    desk = RemoteDesk(path, lambda: NOW)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        if answer != "refused":
            listener.listen()
        asking = asyncio.create_task(desk.scene())
        if answer == "cut":
            connection, _ = await asyncio.to_thread(listener.accept)
            await asyncio.to_thread(connection.recv, 999)
            connection.close()
        await asking
        notes = desk.notes()
    await asyncio.to_thread(path.unlink)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        anew = desk.notes()

    assert (noted(path, problem), []) == (notes, anew)


async def test_only_systemd_starts_the_desk() -> None:
    """Run by hand, the desk says what starts it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "mayfly.desk"),
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("LISTEN_")},
    )
    _, err = await process.communicate()

    assert (2, True) == (process.returncode, b"mayfly install" in err)
