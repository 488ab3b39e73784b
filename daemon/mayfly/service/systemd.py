"""systemd's user manager: the folders from which it reads units, and `systemctl --user`.

Law: always the user's manager, never the system's. Any refusal is a `Refused` with systemd's own words.
"""

from __future__ import annotations

import os
import re

from collections.abc import Sequence
from pathlib import Path

from mayfly.shared import pathnames, programs
from mayfly.shared.run_program import Ended, run
from mayfly.shared.text import failure_words


CALL_SECONDS = 60
SOCKETS = ("mayfly.socket", "mayfly-exchange.socket", "mayfly-desk.socket")
SERVICE = "mayfly.service"
SERVICES = (SERVICE, "mayfly-desk.service")
EXCHANGES = "mayfly-exchange@*.service"

_LIST_ALL = ("list-units", "--all", "--full", "--plain", "--no-legend")


class Refused(Exception):
    """systemd refused, or its command could not be run."""


def is_here() -> bool:
    """True if systemd's command is on PATH, also where it may not be run: then `call` says why."""
    try:
        programs.find("systemctl", os.environ)
    except programs.NotFound as reason:
        return bool(reason.distrusted)
    return True


def program(name: str) -> Path:
    """The path of a command of systemd's; raises programs.NotFound."""
    return programs.find(name, os.environ, [f"/usr/bin/{name}"])


def folder() -> Path:
    """The folder of the user's own units (systemd.unit(5), "User Unit Search Path")."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path(pathnames.home()) / ".config") / "systemd/user"


def drop_in() -> Path:
    """The drop-in that takes back the parts of the seal that this machine does not support."""
    return folder() / f"{SERVICE}.d" / "10-this-machine.conf"


def environment_file() -> Path:
    """Variables for every program of the session, from the next log-in on (environment.d(5))."""
    return folder().parents[1] / "environment.d" / "50-mayfly.conf"


def check_manager() -> None:
    """Raise Refused if the user's manager does not run, or reads units from another folder."""
    if str(folder()) not in _split(call("show", "--property=UnitPath", "--value")):
        raise Refused(f"systemd does not read units in {folder()}: is XDG_CONFIG_HOME the same for it?")


def reload() -> None:
    """Have the manager read all units anew."""
    call("daemon-reload")


def enable() -> list[str]:
    """Have the manager open the sockets at log-in. Returns the sockets that were not enabled before."""
    fresh = [name for name in SOCKETS if _word("is-enabled", name) != "enabled"]
    if fresh:
        call("enable", *fresh)
    return fresh


def disable(names: Sequence[str]) -> None:
    """Have the manager no longer open these sockets at log-in."""
    if names:
        call("disable", *names)


def dangling() -> list[Path]:
    """The links that enable sockets of ours whose unit file is gone."""
    links = [folder() / "sockets.target.wants" / name for name in SOCKETS]
    return [link for link in links if link.is_symlink() and not link.exists()]


def loaded() -> list[str]:
    """The units of ours that the manager knows, even if their files are gone."""
    rows = [line.split() for line in _lines(call(*_LIST_ALL, *SOCKETS, *SERVICES, EXCHANGES))]
    return [name for name, load, active, *_ in rows if load != "not-found" or active != "inactive"]


def start(*, anew: bool, service_anew: bool, is_awaited: bool = True) -> None:
    """Open the sockets and start the daemon.

    `anew`: close the sockets and end the services first, with the kept sessions; `service_anew`: restart the daemon
    alone; `is_awaited`: wait until the daemon is ready.
    """
    if anew:
        stop((*SOCKETS, *SERVICES, EXCHANGES))
    call("start", *SOCKETS)
    waiting = () if is_awaited else ("--no-block",)
    call("restart" if service_anew and not anew else "start", *waiting, SERVICE)


def stop(names: Sequence[str]) -> None:
    """Close these sockets and end these services, with the sessions that systemd keeps for them."""
    if names:
        call("stop", *names)


def forget_failures() -> None:
    """Have the manager forget failures of our units."""
    for pattern in ("mayfly*.service", "mayfly*.socket"):
        call("reset-failed", pattern)


def listens() -> set[str]:
    """All addresses of the socket unit, as the manager has read it: open or not."""
    return {line.rpartition(" ")[0] for line in _lines(call("show", "--property=Listen", "--value", SOCKETS[0]))}


def is_active(name: str) -> bool:
    """True if a unit runs, starts or ends."""
    return _word("is-active", name) in {"active", "activating", "reloading", "deactivating"}


def status_text() -> str | None:
    """The daemon's own status line while it runs or starts; None otherwise."""
    shown = call("show", "--property=ActiveState", "--property=StatusText", SERVICE)
    found = dict(line.partition("=")[::2] for line in _lines(shown))
    return found.get("StatusText", "") if found.get("ActiveState") in {"active", "activating", "reloading"} else None


def environment() -> dict[str, str]:
    """The environment variables that the manager gives to its services."""
    pairs = [line.split("=", 1) for line in _lines(call("show-environment")) if "=" in line]
    return {name: _unquoted(value) for name, value in pairs}


def _lines(text: str) -> list[str]:
    """The lines that systemctl shows. Only "\\n" ends one: a value may contain the other line ends of Unicode."""
    return [line for line in text.split("\n") if line]


def _split(text: str) -> list[str]:
    """The words of a list that systemctl shows; a word with special characters stands in double quotes."""
    return [_unquoted(word) for word in re.findall(r'"(?:[^"\\]|\\.)*"|\S+', text)]


def _unquoted(word: str) -> str:
    """A value as it was before systemctl quoted it (systemd's shell_maybe_quote): like "a \\$b", or like $'a\\n'."""
    if word.startswith('"'):
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    if word.startswith("$'"):
        return word[2:-1].encode("latin-1", "backslashreplace").decode("unicode_escape")
    return word


def call(*words: str) -> str:
    """The output of `systemctl --user`; raises Refused if it fails."""
    ended = _run(*words)
    if ended.exit_code:
        raise Refused(ended.stderr.strip() or f"systemctl --user {words[0]} ended with {ended.exit_code}")
    return ended.stdout


def variables() -> dict[str, str]:
    """Our environment, and XDG_RUNTIME_DIR if su or cron has cleared it: systemd's commands need it."""
    found = dict(os.environ)
    usual = f"/run/user/{os.getuid()}"
    if not found.get("XDG_RUNTIME_DIR") and Path(usual).is_dir():
        found["XDG_RUNTIME_DIR"] = usual
    return found


def _word(*words: str) -> str:
    return _run(*words).stdout.strip()


def _run(*words: str) -> Ended:
    try:
        return run((program("systemctl"), "--user", *words), seconds=CALL_SECONDS, environ=variables())
    except programs.NotFound as reason:
        raise Refused(str(reason)) from None
    except OSError as reason:
        raise Refused(f"systemctl cannot be run: {failure_words(reason)}") from None
