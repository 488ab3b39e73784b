"""The desk on Linux: presence by logind, notifications by notify-send, a client's process by /proc."""

from __future__ import annotations

import asyncio
import html
import os
import re

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from mayfly.desk.platform_desk import PlatformDesk
from mayfly.desk.programs import ask, is_there, run
from mayfly.shared.ancestry import UNKNOWN, Agent, agent_of
from mayfly.shared.desk import AWAY_SECONDS, QUESTION_SECONDS, TITLE, Caller, Presence
from mayfly.shared.text import printable


# How many processes may stand between the program that wants credentials and the connection: curl or mayfly, the shell
# that has started it, and one to spare.
GO_BETWEENS = 3
# A number that fits into 64 bits has at most 20 digits. Python refuses longer ones, or cannot divide them.
_UINT64 = re.compile("[0-9]{1,20}")
_PROPERTIES = ("LockedHint", "IdleHint", "IdleSinceHint", "Remote", "Class")


class LinuxDesk(PlatformDesk):
    """Runs programs of the user's session."""

    async def presence(self) -> Presence | None:
        """By logind's hints: the desktop sets LockedHint and IdleHint.

        None if logind does not answer in time, as after a suspend, or is absent.
        """
        session = await ask("loginctl", "show-user", str(os.getuid()), "--property=Display", "--value")
        if session is None:
            return None
        if not session.strip():
            return Presence.PRESENT
        wanted = [f"--property={name}" for name in _PROPERTIES]
        printed = await ask("loginctl", "show-session", *wanted, "--", session.strip())
        return None if printed is None else presence_from(printed, self._clock())

    async def tell(self, title: str, text: str) -> None:
        """By notify-send, which speaks to the session's notification service."""
        await ask("notify-send", "--app-name=mayfly", "--", printable(title), _body(text))

    async def can_ask(self) -> bool:
        """True where notify-send is there, or zenity or kdialog and a screen for it."""
        return await asyncio.to_thread(_can_ask)

    async def ask(self, question: str) -> bool | None:
        """By the buttons of a notification, else by a dialog. The question is an argument, and never markup."""
        ways = _by_notification, _by_zenity, _by_kdialog
        for way in ways:
            answer = await way(printable(question))
            if answer is not None:
                return answer
        return None

    async def caller(self, inode: int) -> Caller | None:
        """By the links in /proc/PID/fd. Runs in a thread: there may be thousands of links."""
        return await asyncio.to_thread(_find_caller, inode)

    async def process(self, pid: int) -> Caller | None:
        """By /proc/PID and the /proc entries of its parents."""
        return await asyncio.to_thread(_find_process, pid)

    async def agent(self, *, inode: int = 0, pid: int = 0) -> Agent | None:
        """By the environments of the process and its ancestors in /proc."""
        return await asyncio.to_thread(_find_agent, inode) if inode else await asyncio.to_thread(agent_of, pid)


def _can_ask() -> bool:
    return is_there("notify-send") or (_has_screen() and any(map(is_there, ("zenity", "kdialog"))))


def _has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


async def _by_notification(question: str) -> bool | None:
    """notify-send(1) prints the name of the button that was pressed, and nothing where the notification was closed.

    None where it fails: no notification service answers, or it is older than 0.8 and knows no buttons. By SIGINT it
    closes the notification (libnotify, tools/notify-send.c); if it were killed, the notification would stay.
    """
    buttons = "--action=allow=Allow", "--action=deny=Deny"
    how = "--app-name=mayfly", "--urgency=critical", f"--expire-time={QUESTION_SECONDS * 1000}", "--wait"
    words = *how, *buttons, "--", TITLE, _body(question)
    ended = await run("notify-send", *words, seconds=QUESTION_SECONDS, is_interrupted=True)
    # Killed by a signal, it has perhaps asked already: to ask once more for each request would wear a person out.
    if ended is None or ended.exit_code > 0:
        return None
    return ended.output.strip() == "allow"


async def _by_zenity(question: str) -> bool | None:
    """zenity(1) exits with 0 for the first button. Without --no-markup the text would be Pango's markup.

    It resolves the escapes of C in the text all the same (g_strcompress in src/msg.c).
    """
    text = question.replace("\\", "\\\\")
    words = f"--title={TITLE}", "--no-markup", f"--text={text}", "--ok-label=Allow", "--cancel-label=Deny"
    return await _by_dialog("zenity", "--question", *words, "--default-cancel", f"--timeout={QUESTION_SECONDS}")


async def _by_kdialog(question: str) -> bool | None:
    """kdialog exits with 0 for the first button. Qt takes a text for markup where it has a tag, and this has no `<`."""
    words = "--title", TITLE, "--yes-label", "Allow", "--no-label", "Deny", "--yesno", question.replace("<", "?")
    return await _by_dialog("kdialog", *words)


async def _by_dialog(program: str, *arguments: str) -> bool | None:
    ended = await run(program, *arguments, seconds=QUESTION_SECONDS) if _has_screen() else None
    return None if ended is None else ended.exit_code == 0


def presence_from(properties: str, now: datetime) -> Presence:
    """The presence in the output of `loginctl show-session`; any other text is PRESENT.

    `IdleSinceHint` is in microseconds since the epoch.
    """
    hints = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    if hints.get("LockedHint") == "yes":
        return Presence.LOCKED
    since = _UINT64.fullmatch(hints.get("IdleSinceHint", "0"))
    if hints.get("IdleHint") == "yes" and since and now.timestamp() - int(since[0]) / 1e6 >= AWAY_SECONDS:
        return Presence.AWAY
    return Presence.PRESENT


def _body(text: str) -> str:
    """A text as notify-send shows it unchanged.

    A notification's body is markup (Desktop Notifications Specification), and notify-send resolves the escapes of C in
    it: it would make an ESC of `\\033` (g_strcompress in libnotify, tools/notify-send.c).
    """
    return html.escape(printable(text), quote=False).replace("\\", "\\\\")


def _find_caller(inode: int) -> Caller | None:
    """The first process of this user that has the socket with this inode open, starting with the youngest process."""
    uid, wanted = os.getuid(), f"socket:[{inode}]"
    for pid in _youngest_first():
        try:
            folder = Path(f"/proc/{pid}")
            if folder.stat().st_uid == uid and _has_open(folder, wanted):
                return Caller(pid, _program(folder))
        except OSError:
            continue
    return None


def _youngest_first() -> list[int]:
    """The pids of all processes. A client that connects for the first time has often just started.

    Linux gives pids in ascending order and starts again at the smallest free one, so the youngest process is the one at
    or below the last pid given (proc_loadavg(5): the fifth field), and the oldest is the one above it.
    """
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    try:
        last = int(Path("/proc/loadavg").read_bytes().split()[4])
    except (OSError, ValueError, IndexError):
        last = max(pids, default=0)
    return sorted(pids, key=lambda pid: (pid <= last, pid), reverse=True)


def _has_open(folder: Path, wanted: str) -> bool:
    """True if a descriptor of the process is a link to `wanted`. A descriptor may be closed while this looks."""
    descriptors = os.open(folder / "fd", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(descriptors) as links:
            for link in links:
                with suppress(FileNotFoundError):
                    if os.readlink(link.name, dir_fd=descriptors) == wanted:
                        return True
    finally:
        os.close(descriptors)
    return False


def _find_agent(inode: int) -> Agent | None:
    """The agent that the process at this socket works for; UNKNOWN if it is not there, or holds the socket no more."""
    caller = _find_caller(inode)
    if caller is None:
        return UNKNOWN
    found = agent_of(caller.pid)
    try:
        return found if _has_open(Path("/proc", str(caller.pid)), f"socket:[{inode}]") else UNKNOWN
    except OSError:
        return UNKNOWN


def _find_process(pid: int) -> Caller | None:
    """Named `aws by curl` if aws has started the curl that connected."""
    connected = Path("/proc", str(pid))
    try:
        wanting = connected
        for _ in range(GO_BETWEENS):
            if not _passes_on(wanting) or _parent(wanting).stat().st_uid != os.getuid():
                break
            wanting = _parent(wanting)
        by = f" by {_program(connected)}" if wanting != connected else ""
        return Caller(int(wanting.name), _program(wanting) + by)
    except (OSError, ValueError):
        return None


def _passes_on(folder: Path) -> bool:
    """True for `mayfly credential-process`, a curl to the control socket, and the shell that starts them."""
    line = (folder / "cmdline").read_bytes()
    return b"credential-process" in line or b"control.sock" in line


def _parent(folder: Path) -> Path:
    # proc_pid_stat(5): the fourth field. The second is the name in parentheses, and may itself contain parentheses.
    return folder.with_name((folder / "stat").read_bytes().rpartition(b")")[2].split()[1].decode())


def _program(folder: Path) -> str:
    """The name that a process gives itself, in any bytes."""
    return printable((folder / "comm").read_bytes().decode(errors="replace").strip())
