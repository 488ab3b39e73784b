"""The desk, with recorded texts of real programs, printed by programs that stand first on PATH."""

import asyncio
import os
import plistlib
import socket
import subprocess
import sys

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from mayfly.daemon import remote_desk
from mayfly.daemon.remote_desk import RemoteDesk
from mayfly.desk import desk_here
from mayfly.desk import programs as platform_programs
from mayfly.desk.__main__ import main, serve
from mayfly.desk.answers import answered
from mayfly.desk.linux import LinuxDesk
from mayfly.desk.linux import presence_from as linux_presence
from mayfly.desk.macos import MacDesk
from mayfly.desk.macos import presence_from as mac_presence
from mayfly.desk.programs import ask
from mayfly.shared.desk import Caller, Presence, PresenceHistory, Scene
from support.engine import NOON, at


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
        (hints("no", "yes", ""), PRESENT),
        ("", PRESENT),
        ("Failed to get session path\n", PRESENT),
    ],
)
def test_who_is_there_by_logind(printed: str, presence: Presence) -> None:
    """Locked is locked, five minutes idle is away, and whatever cannot be read is present."""
    assert presence is linux_presence(printed, NOON)


def root_entry(*users: dict[str, object]) -> str:
    """What `ioreg -n Root -d 1 -a` prints, as far as it is looked at."""
    return plistlib.dumps({"IOConsoleLocked": False, "IOConsoleUsers": list(users)}).decode()


ME = {"kCGSSessionUserIDKey": 501, "kCGSSessionOnConsoleKey": True}
OTHER = {"kCGSSessionUserIDKey": 502, "kCGSSessionOnConsoleKey": False}
LOCK = {"CGSSessionScreenIsLocked": True}
LONG_AGO = '    | |   "HIDIdleTime" = 300000000000'


@pytest.mark.parametrize(
    ("console", "events", "presence"),
    [
        (root_entry(ME), '    | |   "HIDIdleTime" = 1234567', PRESENT),
        (root_entry(ME), '    | |   "HIDIdleTime" = 299999999999', PRESENT),
        (root_entry(ME), LONG_AGO, AWAY),
        (root_entry(ME | LOCK), '    | |   "HIDIdleTime" = 1234567', LOCKED),
        (root_entry(ME | {"CGSSessionScreenIsLocked": False}), "", PRESENT),
        (root_entry(OTHER | LOCK, ME), "", PRESENT),
        (root_entry(OTHER, ME | LOCK), LONG_AGO, LOCKED),
        (root_entry(OTHER | LOCK), "", PRESENT),
        (root_entry(), "", PRESENT),
        (plistlib.dumps({}).decode(), "", PRESENT),
        (plistlib.dumps({"IOConsoleUsers": ["me"]}).decode(), "", PRESENT),
        (plistlib.dumps({"IOConsoleUsers": 7}).decode(), "", None),
        (plistlib.dumps([]).decode(), "", None),
        ("<plist><dict>", "", None),
        ("+-o Root", "", None),
        ("", "", None),
    ],
)
def test_who_is_there_by_the_io_registry(console: str, events: str, presence: Presence | None) -> None:
    """The screen lock of this user's session, not of another's, and the nanoseconds since the last key."""
    assert presence is mac_presence(console, events, 501)


def test_the_unlock_is_remembered() -> None:
    """From locked to anything else is an unlock, at the moment when it was seen; it stays known."""
    watch = PresenceHistory()
    seen = [
        watch.scene(presence, at(second)) for second, presence in enumerate([PRESENT, LOCKED, LOCKED, AWAY, PRESENT])
    ]
    assert [None, None, None, at(3), at(3)] == [scene.unlocked_at for scene in seen]


def test_what_nobody_saw_is_as_it_was() -> None:
    """A look that shows nothing is no unlock, and no lock."""
    watch = PresenceHistory()
    seen = [watch.scene(presence, at(second)) for second, presence in enumerate([None, LOCKED, None, AWAY, None])]
    assert [PRESENT, LOCKED, LOCKED, AWAY, AWAY] == [scene.presence for scene in seen]
    assert [None, None, None, at(3), at(3)] == [scene.unlocked_at for scene in seen]


@pytest.fixture(name="programs")
def _programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def put(folder: Path, name: str, script: str) -> Path:
    """A program that leaves its arguments in NAME.calls, a line each, and does what the script says."""
    program = folder / name
    calls = folder / f"{name}.calls"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {calls}\n{script}\n')
    program.chmod(0o755)
    return calls


async def test_linux_asks_the_display_session(programs: Path) -> None:
    """First which session has the display, then that session's hints."""
    calls = put(
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
    """No session, or a logind that fails: unknown counts as present."""
    put(programs, "loginctl", script)
    assert Scene(presence=PRESENT) == await LinuxDesk(lambda: NOON).scene()


@pytest.mark.parametrize("script", ["exec sleep 600", "exit 1"])
async def test_while_nobody_answers_the_screen_is_as_it_was(
    programs: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """A machine too busy to say who is there, as after a suspend, does not unlock its screen."""
    put(programs, "loginctl", 'case "$1" in show-user) echo c2;; *) echo LockedHint=yes;; esac')
    desk = LinuxDesk(lambda: NOON)
    first = await desk.scene()
    put(programs, "loginctl", script)
    monkeypatch.setattr(platform_programs, "ANSWER_SECONDS", 0.1)
    assert [Scene(presence=LOCKED)] * 2 == [first, await desk.scene()]
    assert await desk.presence() is None


async def test_a_session_that_cannot_be_shown_is_present(programs: Path) -> None:
    """The display's session is gone by the time its hints are asked for."""
    put(programs, "loginctl", 'case "$1" in show-user) echo c2;; *) exit 1;; esac')
    assert Scene(presence=PRESENT) == await LinuxDesk(lambda: NOON).scene()


async def test_linux_tells(programs: Path) -> None:
    """A notification is title and text, as arguments and not as a script."""
    calls = put(programs, "notify-send", "exit 0")
    await LinuxDesk(lambda: NOON).tell("Mayfly", 'terraform wants "nsrc"; $(id)')
    words = calls.read_text().splitlines()
    assert ["--app-name=mayfly", "--", "Mayfly", 'terraform wants "nsrc"; $(id)'] == words[-4:]


@pytest.mark.parametrize(
    ("text", "linux", "mac"),
    [
        ("-x wants nsrc", "-x wants nsrc", "-x wants nsrc"),
        ("<b>a & b</b>", "&lt;b&gt;a &amp; b&lt;/b&gt;", "<b>a & b</b>"),
        ("a \\033]0;x \\n", "a \\\\033]0;x \\\\n", "a \\033]0;x \\n"),
        ("\x1b]52;c;eA==\x07 \x9b\u202e\u2066\u2028\u2029\r\n\0", "?]52;c;eA==? ????????", "?]52;c;eA==? ????????"),
        ('" & (do shell script "id") & "', '" &amp; (do shell script "id") &amp; "', '" & (do shell script "id") & "'),
        ("терминал 東京", "терминал 東京", "терминал 東京"),
        ("lone \udcff", "lone ?", "lone ?"),
    ],
)
async def test_a_notification_is_text_and_nothing_else(programs: Path, text: str, linux: str, mac: str) -> None:
    """No option, no markup, no escape of C, no AppleScript, and nothing that steers a terminal."""
    notify = put(programs, "notify-send", "exit 0")
    osascript = put(programs, "osascript", "exit 0")
    await LinuxDesk(lambda: NOON).tell(text, text)
    await MacDesk(lambda: NOON).tell(text, text)

    assert ["--", mac, linux] == notify.read_text().splitlines()[-3:]
    assert ["--", mac, mac] == osascript.read_text().splitlines()[-3:]


ASCII = """
import asyncio, sys
from mayfly.desk.linux import LinuxDesk
from mayfly.shared.clock import Clock
assert "ascii" == sys.getfilesystemencoding(), sys.getfilesystemencoding()
asyncio.run(LinuxDesk(Clock()).tell("Mayfly", "\\u0442\\u0435\\u0440 caf\\xe9 wants nsrc"))
"""


def test_a_name_in_another_script_is_shown_in_every_locale(programs: Path) -> None:
    """notify-send takes UTF-8 alone, also where the locale's encoding has no such letters."""
    calls = put(programs, "notify-send", "exit 0")
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", ASCII], env=env, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    assert "тер café wants nsrc" == calls.read_text().splitlines()[-1]


async def test_macos_asks_and_tells(programs: Path) -> None:
    """ioreg for who is there, osascript to tell them, with the text as an argument of the script."""
    (programs / "root").write_text(root_entry({"kCGSSessionUserIDKey": os.getuid()} | LOCK))
    put(
        programs,
        "ioreg",
        f"case \"$*\" in '-n Root -d 1 -a') cat {programs}/root;; *) echo '\"HIDIdleTime\" = 5';; esac",
    )
    calls = put(programs, "osascript", "exit 0")
    desk = MacDesk(lambda: NOON)
    await desk.tell("Mayfly", 'a "quoted" \\ text')
    assert (LOCKED, None) == ((await desk.scene()).presence, await desk.caller(1))
    assert [
        *("-e", "on run argv"),
        *("-e", "display notification (item 2 of argv) with title (item 1 of argv)"),
        *("-e", "end run"),
        *("--", "Mayfly", 'a "quoted" \\ text'),
    ] == calls.read_text().splitlines()


async def test_macos_too_keeps_what_it_saw(programs: Path) -> None:
    """An I/O registry that cannot be read is no unlock."""
    (programs / "root").write_text(root_entry({"kCGSSessionUserIDKey": os.getuid()} | LOCK))
    put(programs, "ioreg", f"exec cat {programs}/root")
    desk = MacDesk(lambda: NOON)
    first = await desk.scene()
    (programs / "root").unlink()
    assert [Scene(presence=LOCKED)] * 2 == [first, await desk.scene()]


async def test_a_program_that_is_not_there_says_nothing() -> None:
    """No such program, no answer, no error."""
    assert await ask("mayfly-no-such-program") is None


@pytest.mark.parametrize(
    ("script", "answer"), [("echo hello", "hello\n"), ("echo hello; exit 3", None), ("printf '\\377'", "\ufffd")]
)
async def test_what_a_program_says(programs: Path, script: str, answer: str | None) -> None:
    """What it prints, if it ends well, and whatever bytes it prints."""
    put(programs, "saying", script)
    assert answer == await ask("saying")


async def test_a_program_that_cannot_be_run_says_nothing(programs: Path) -> None:
    """A file that the kernel refuses to run is as good as none."""
    (programs / "broken").write_bytes(b"\x7fELF, or so it says")
    (programs / "broken").chmod(0o755)
    assert await ask("broken") is None


def is_running(pid_file: Path) -> bool:
    return pid_file.exists() and Path(f"/proc/{pid_file.read_text().strip()}").exists()


async def test_a_program_that_hangs_says_nothing(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time is over it is killed, and is gone."""
    monkeypatch.setattr(platform_programs, "ANSWER_SECONDS", 0.1)
    pid_file = programs / "pid"
    put(programs, "hanging", f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 600")
    assert await ask("hanging") is None
    assert not is_running(pid_file)


async def test_who_stops_asking_leaves_nothing_running(programs: Path) -> None:
    """A question that is given up ends the program that was to answer it."""
    fifo = programs / "fifo"
    os.mkfifo(fifo)
    put(programs, "hanging", f"echo $$ > {fifo}; exec sleep 600")
    asking = asyncio.ensure_future(ask("hanging"))
    pid = (await asyncio.to_thread(fifo.read_text)).strip()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="by /proc")
async def test_whose_socket_it_is() -> None:
    """The process that holds a socket's inode, and nobody for an inode that nobody holds."""
    with socket.socket() as mine:
        inode = os.fstat(mine.fileno()).st_ino
        found = await LinuxDesk(lambda: NOON).caller(inode)
    comm = await asyncio.to_thread(Path("/proc/self/comm").read_text)
    assert (Caller(os.getpid(), comm.strip()), None) == (found, await LinuxDesk(lambda: NOON).caller(0))


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
    """Control characters steer no terminal, and bytes that are no text keep nobody from being found."""
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
async def test_whoever_passes_credentials_on_is_named_by_whom_it_serves() -> None:
    """`sh -c "curl … || mayfly credential-process"` is not who wants them; a process that has gone is nobody."""
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


class FarDesk:
    """A desk that says what the test wants, and remembers what it was told."""

    def __init__(self, presence: Presence | None = LOCKED, caller: Caller | None = None) -> None:
        self.seen = presence
        self.found = caller
        self.told: list[tuple[str, str]] = []

    async def presence(self) -> Presence | None:
        return self.seen

    async def scene(self) -> Scene:
        raise AssertionError("what is remembered is remembered on the daemon's side")

    async def tell(self, title: str, text: str) -> None:
        self.told.append((title, text))

    async def caller(self, inode: int) -> Caller | None:
        return self.found if inode == 7 else None

    async def process(self, pid: int) -> Caller | None:
        return self.found if pid == 7 else None


@asynccontextmanager
async def answering(path: Path, answer: Callable[[bytes], Awaitable[bytes]]) -> AsyncIterator[RemoteDesk]:
    """A remote desk whose other end is `answer`."""

    async def on_question(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await answer(await reader.readline()))
        writer.close()

    async with await asyncio.start_unix_server(on_question, path):
        yield RemoteDesk(path, lambda: NOON)


async def test_a_desk_of_its_own_answers_as_the_desk_does(tmp_path: Path) -> None:
    """Scene, notification and caller go through the socket; the unlock is remembered on the daemon's side."""
    far = FarDesk(caller=Caller(42, "terraform"))
    async with answering(tmp_path / "s", lambda line: answered(far, line)) as desk:
        first = await desk.scene()
        far.seen = PRESENT
        second = await desk.scene()
        await desk.tell("Mayfly", "terraform wants nsrc")
        callers = [await desk.caller(7), await desk.caller(8)]
    assert [Scene(presence=LOCKED), Scene(presence=PRESENT, unlocked_at=NOON)] == [first, second]
    assert ([("Mayfly", "terraform wants nsrc")], [Caller(42, "terraform"), None]) == (far.told, callers)


async def test_a_desk_that_does_not_know_does_not_unlock(tmp_path: Path) -> None:
    """A desk that was started again and meets a machine too busy to say knows nothing of the lock: the daemon does."""
    far = FarDesk()
    async with answering(tmp_path / "s", lambda line: answered(far, line)) as desk:
        first = await desk.scene()
        far.seen = None
        second = await desk.scene()
    assert [Scene(presence=LOCKED)] * 2 == [first, second]


@pytest.mark.parametrize("failure", ["slow", "cut", "gone", "nonsense"])
async def test_a_desk_that_fails_does_not_unlock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """Whatever happens to the desk, its screen is as it was last seen, and nothing counts as an unlock."""
    answers = {"cut": b"", "nonsense": b'"asleep"\n'}
    tasks: list[asyncio.Task[object] | None] = []
    told_late = asyncio.Event()

    async def answer(_line: bytes) -> bytes:
        tasks.append(asyncio.current_task())
        if len(tasks) == 1:
            return b'"locked"\n'
        if failure == "slow":
            await told_late.wait()
        return answers.get(failure, b'"present"\n')

    async with answering(tmp_path / "s", answer) as desk:
        first = await desk.scene()
        monkeypatch.setattr(remote_desk, "PATIENCE_SECONDS", 0.1)
        if failure == "gone":
            (tmp_path / "s").unlink()
        second = await desk.scene()
        told_late.set()
        await asyncio.gather(*filter(None, tasks))
    assert [Scene(presence=LOCKED)] * 2 == [first, second]


@pytest.mark.parametrize("raw", [b"", b"\n", b"not json\n", b"[]\n", b'"asleep"\n', b"{}\n", b"x" * 9000 + b"\n"])
async def test_a_desk_that_talks_nonsense_knows_nothing(tmp_path: Path, raw: bytes) -> None:
    """Whatever is no answer counts as present, and finds nobody."""

    async def nonsense(_line: bytes) -> bytes:
        return raw

    async with answering(tmp_path / "s", nonsense) as desk:
        assert (Scene(presence=PRESENT), None) == (await desk.scene(), await desk.caller(7))


async def test_a_desk_that_is_not_there_knows_nothing(tmp_path: Path) -> None:
    """No socket: present."""
    assert Scene(presence=PRESENT) == await RemoteDesk(tmp_path / "none", lambda: NOON).scene()


@pytest.mark.parametrize("line", [b'{"question": "run"}', b"{}", b"nonsense", b"[]", b'{"question": "caller"}'])
async def test_what_is_no_question_is_not_answered(line: bytes) -> None:
    """Three questions, and nothing else."""
    with pytest.raises((ValueError, TypeError, KeyError)):
        await answered(FarDesk(), line)


async def test_the_service_answers_its_user_and_then_ends(tmp_path: Path) -> None:
    """It answers while it is asked, cuts off what is no question, and ends when nobody asks."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "s"))
    sock.listen()
    service = asyncio.ensure_future(serve(sock, FarDesk(), 0.2))
    presence = (await RemoteDesk(tmp_path / "s", lambda: NOON).scene()).presence
    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
    writer.write(b"nonsense\n")
    rest = await reader.read()
    writer.close()
    await service
    assert (LOCKED, b"") == (presence, rest)


# What systemd does: the socket is descriptor 3, and the environment says for whom it is.
HAND_DOWN = """
import os, sys
if sys.argv[1] != "3":
    os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "-I", "-m", "mayfly.desk"])
"""


async def test_the_program_answers_on_the_socket_that_it_was_given(tmp_path: Path, programs: Path) -> None:
    """`python -I -m mayfly.desk` with a socket as systemd hands it down, and logind's word for it."""
    put(programs, "loginctl", 'case "$1" in show-user) echo c2;; *) echo LockedHint=yes;; esac')
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
    assert (LOCKED if sys.platform == "linux" else PRESENT) is presence


def test_the_service_is_started_by_systemd_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a socket handed down to this very process there is nothing to do."""
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert 2 == main()
