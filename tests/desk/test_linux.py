"""The desk on Linux, with recorded output of real programs, printed by stand-ins that are first on PATH."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

from datetime import timedelta
from pathlib import Path

import pytest

from mayfly.desk import desk_here
from mayfly.desk import programs as platform_programs
from mayfly.desk.linux import LinuxDesk, presence_from
from mayfly.desk.macos import MacDesk
from mayfly.shared.desk import Caller, Presence, Scene
from support.desks import put_program
from support.engine import NOON


PRESENT, AWAY, LOCKED = Presence.PRESENT, Presence.AWAY, Presence.LOCKED


def idle_since(seconds: float) -> str:
    return str(int((NOON - timedelta(seconds=seconds)).timestamp() * 1_000_000))


def hints(locked: str, idle: str, since: str) -> str:
    return f"Remote=no\nClass=user\nIdleHint={idle}\nIdleSinceHint={since}\nLockedHint={locked}\n"


@pytest.mark.parametrize(
    ("printed", "presence"),
    [
        (hints("no", "no", "0"), PRESENT),
        (hints("yes", "no", "0"), LOCKED),
        (hints("yes", "yes", idle_since(9999)), LOCKED),
        (hints("no", "yes", idle_since(299)), PRESENT),
        (hints("no", "yes", idle_since(300)), AWAY),
        (hints("no", "no", idle_since(9999)), PRESENT),
        (hints("no", "yes", "18446744073709551615"), PRESENT),
        (hints("no", "yes", "²"), PRESENT),
        (hints("no", "yes", "9" * 400), PRESENT),
        (hints("no", "yes", "9" * 5000), PRESENT),
        (hints("no", "yes", "0" * 5000), PRESENT),
        (hints("no", "yes", "-1"), PRESENT),
        (hints("no", "yes", ""), PRESENT),
        ("", PRESENT),
        ("Failed to get session path\n", PRESENT),
    ],
)
def test_who_is_there_by_logind(printed: str, presence: Presence) -> None:
    """Locked is locked, five minutes idle is away, and everything else counts as present."""
    assert presence is presence_from(printed, NOON)


async def test_linux_asks_the_display_session(programs: Path) -> None:
    """First which session has the display, then that session's hints."""
    calls = put_program(
        programs,
        "loginctl",
        'case "$1" in show-user) echo c2;; *) printf "LockedHint=yes\\nIdleHint=no\\n";; esac',
    )
    assert Scene(presence=LOCKED) == await LinuxDesk(lambda: NOON).scene()
    words = calls.read_text().split()
    assert ["show-user", str(os.getuid())] == words[:2]
    assert "show-session" == words[4]
    assert ["--", "c2"] == words[-2:]


@pytest.mark.parametrize("script", ["exit 0", "echo; exit 0", "echo c2; exit 1"])
async def test_without_a_display_somebody_is_there(programs: Path, script: str) -> None:
    """If there is no session or logind fails, the user counts as present."""
    put_program(programs, "loginctl", script)
    assert Scene(presence=PRESENT) == await LinuxDesk(lambda: NOON).scene()


@pytest.mark.parametrize("script", ["exec sleep 600", "exit 1"])
async def test_while_nobody_answers_the_screen_is_as_it_was(
    programs: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """When logind does not answer, as after a suspend, a locked screen stays locked."""
    put_program(programs, "loginctl", 'case "$1" in show-user) echo c2;; *) echo LockedHint=yes;; esac')
    desk = LinuxDesk(lambda: NOON)
    first = await desk.scene()
    put_program(programs, "loginctl", script)
    monkeypatch.setattr(platform_programs, "ANSWER_SECONDS", 0.1)
    assert [Scene(presence=LOCKED)] * 2 == [first, await desk.scene()]
    assert await desk.presence() is None


async def test_a_session_that_cannot_be_shown_is_present(programs: Path) -> None:
    """The display's session is gone by the time its hints are asked for."""
    put_program(programs, "loginctl", 'case "$1" in show-user) echo c2;; *) exit 1;; esac')
    assert Scene(presence=PRESENT) == await LinuxDesk(lambda: NOON).scene()


async def test_linux_tells(programs: Path) -> None:
    """A notification is title and text, as arguments and not as a script."""
    calls = put_program(programs, "notify-send", "exit 0")
    await LinuxDesk(lambda: NOON).tell("Mayfly", 'terraform wants "nsrc"; $(id)')
    words = calls.read_text().splitlines()
    assert ["--app-name=mayfly", "--", "Mayfly", 'terraform wants "nsrc"; $(id)'] == words[-4:]


@pytest.mark.skipif(sys.platform != "linux", reason="by /proc")
async def test_whose_socket_it_is() -> None:
    """The process that holds a socket's inode, and nobody for an inode that nobody holds."""
    with socket.socket() as mine:
        inode = os.fstat(mine.fileno()).st_ino
        found = await LinuxDesk(lambda: NOON).caller(inode)
    comm = await asyncio.to_thread(Path("/proc/self/comm").read_text)
    assert (Caller(os.getpid(), comm.strip()), None) == (found, await LinuxDesk(lambda: NOON).caller(0))


@pytest.mark.skipif(sys.platform != "linux", reason="by /proc")
async def test_the_youngest_process_is_looked_at_first() -> None:
    """Where two processes hold a socket, the younger is found: the look-up begins at the last pid that was given."""
    with socket.socket() as shared:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "import sys; sys.stdin.read()"),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=[shared.fileno()],
        )
        found = await LinuxDesk(lambda: NOON).caller(os.fstat(shared.fileno()).st_ino)
        await child.communicate(b"")
    assert child.pid == (found and found.pid)


NAMED = """
import ctypes, os, socket, sys
ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]))
sock = socket.socket()
print(os.fstat(sock.fileno()).st_ino, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="by /proc")
@pytest.mark.parametrize(
    ("name", "told"), [(b"\x1b]0;x\x07", "?]0;x?"), (b"\xff\xfe", "\ufffd\ufffd"), (b"a\nb", "a?b")]
)
async def test_a_program_hides_behind_no_name(name: bytes, told: str) -> None:
    """Control characters and bytes that are no text are replaced, and the process is found."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", NAMED, name.hex()), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    inode = int(await process.stdout.readline())
    desk = LinuxDesk(lambda: NOON)
    found = [await desk.caller(inode), await desk.process(process.pid)]
    await process.communicate(b"")

    assert [Caller(process.pid, told)] * 2 == found


@pytest.mark.skipif(sys.platform != "linux", reason="by /proc")
async def test_a_program_that_passes_credentials_on_is_named_by_the_one_it_serves() -> None:
    """`sh -c "curl … || mayfly credential-process"` is named after its parent; an ended process is not found."""
    script = "read line || true; true"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", script, "mayfly credential-process nsrc"), stdin=asyncio.subprocess.PIPE
    )
    desk = LinuxDesk(lambda: NOON)
    found = await desk.process(process.pid)
    await process.communicate(b"")
    comm = await asyncio.to_thread(Path("/proc/self/comm").read_text)

    assert Caller(os.getpid(), f"{comm.strip()} by sh") == found
    assert await desk.process(process.pid) is None


@pytest.mark.parametrize(("platform", "kind"), [("linux", LinuxDesk), ("darwin", MacDesk)])
def test_every_platform_has_its_desk(platform: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux and macOS, by name."""
    monkeypatch.setattr(sys, "platform", platform)
    assert kind is type(desk_here(lambda: NOON))
