"""systemd's manager of one user: where it reads units, and how it is told to.

Law: never root's, never the system's. Whatever it refuses is a `Refused` with its own words.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from pathlib import Path


CALL_SECONDS = 60
SOCKETS = ("mayfly.socket", "mayfly-exchange.socket", "mayfly-desk.socket")
SERVICE = "mayfly.service"
SERVICES = (SERVICE, "mayfly-desk.service")


class Refused(Exception):
    """systemd, or its command, does not do as it is told."""


def is_here() -> bool:
    """Whether this machine has systemd's command at all."""
    return shutil.which("systemctl") is not None


def folder() -> Path:
    """Where a user's own units are (systemd.unit(5), "User Unit Search Path")."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "systemd/user"


def drop_in() -> Path:
    """What this machine cannot do is taken back here."""
    return folder() / f"{SERVICE}.d" / "10-this-machine.conf"


def environment_file() -> Path:
    """What every program of the session finds in its environment, from the next log-in on (environment.d(5))."""
    return folder().parents[1] / "environment.d" / "50-mayfly.conf"


def check_manager() -> None:
    """Raise Refused where the user's manager does not run, or reads its units elsewhere."""
    paths = _value("UnitPath").split()
    if str(folder()) not in paths:
        raise Refused(f"systemd does not read units in {folder()}: is XDG_CONFIG_HOME the same for it?")


def reload() -> None:
    """Have the manager read its units."""
    call("daemon-reload")


def enable() -> list[str]:
    """Have the sockets opened at log-in; those for which that is new."""
    fresh = [name for name in SOCKETS if _word("is-enabled", name) != "enabled"]
    if fresh:
        call("enable", *fresh)
    return fresh


def disable() -> None:
    """Have nothing opened at log-in any more."""
    call("disable", *SOCKETS)


def start(*, anew: bool, service_anew: bool) -> None:
    """Open the sockets and start the daemon. `anew`: what is open is closed first; `service_anew`: only it restarts."""
    if anew:
        stop()
    call("start", *SOCKETS)
    call("restart" if service_anew and not anew else "start", SERVICE)


def stop() -> None:
    """Close the sockets and end the services, with what they keep; every exchange under way, too."""
    call("stop", *SOCKETS, *SERVICES, "mayfly-exchange@*.service")


def forget_failures() -> None:
    """Leave nothing in the manager's memory."""
    for pattern in ("mayfly*.service", "mayfly*.socket"):
        call("reset-failed", pattern)


def is_active(name: str) -> bool:
    """Whether a unit runs, or is being started or ended."""
    return _word("is-active", name) in {"active", "activating", "reloading", "deactivating"}


def environment() -> dict[str, str]:
    """The variables that the manager gives to its services."""
    lines = call("show-environment").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def call(*words: str) -> str:
    """What `systemctl --user` prints; raises Refused."""
    ended = _run(*words)
    if ended.returncode:
        raise Refused(ended.stderr.strip() or f"systemctl --user {words[0]} ended with {ended.returncode}")
    return ended.stdout


def variables() -> dict[str, str]:
    """Our environment, with which systemd's commands find the manager even where su or cron has cleared it."""
    found = dict(os.environ)
    usual = f"/run/user/{os.getuid()}"
    if not found.get("XDG_RUNTIME_DIR") and Path(usual).is_dir():
        found["XDG_RUNTIME_DIR"] = usual
    return found


def _word(*words: str) -> str:
    return _run(*words).stdout.strip()


def _value(name: str) -> str:
    return call("show", f"--property={name}", "--value")


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            (shutil.which("systemctl") or "/usr/bin/systemctl", "--user", *words),
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
            check=False,
            env=variables(),
        )
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise Refused(f"systemctl cannot be run ({type(reason).__name__})") from None
