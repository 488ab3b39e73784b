"""launchd, on macOS: the sockets that it opens for the daemon, and the daemon's agent.

Written from launch(3), launchd.plist(5) and launchctl(1). Not yet run on a Mac: see docs/service.md.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from mayfly.service.inherited import Inherited
from mayfly.shared import pathnames, programs
from mayfly.shared.run_program import Ended, run
from mayfly.shared.text import failure_words


LABEL = "io.mayfly.daemon"
CALL_SECONDS = 30
# launchd kills an agent that has not ended 20 s after SIGTERM: launchd.plist(5), ExitTimeOut.
BOOTOUT_SECONDS = 25
LOOK_AGAIN_SECONDS = 0.1

# EINPROGRESS of macOS, as launchctl prints it: "Boot-out failed: 36: Operation now in progress".
_IN_PROGRESS = " 36: "


def inherited(environ: MutableMapping[str, str], library: Any = None) -> Inherited:
    """The port and the control socket, if launchd has started this process."""
    if environ.get("XPC_SERVICE_NAME") != LABEL:
        return Inherited()
    return Inherited(port=_only(activated("port", library)), control=_only(activated("control", library)))


def activated(name: str, library: Any = None) -> list[int]:
    """The descriptors of the sockets called `name` in the property list; none if launchd refuses."""
    system = library or ctypes.CDLL(None)
    descriptors, count = ctypes.POINTER(ctypes.c_int)(), ctypes.c_size_t(0)
    refusal = system.launch_activate_socket(name.encode(), ctypes.byref(descriptors), ctypes.byref(count))
    if refusal:
        return []
    found = [descriptors[index] for index in range(count.value)]
    system.free(descriptors)
    return found


def _only(descriptors: list[int]) -> socket.socket | None:
    """The first descriptor as a socket. Closes the others: the property list asks for one."""
    for other in descriptors[1:]:
        os.close(other)
    return socket.socket(fileno=descriptors[0]) if descriptors else None


def agent() -> Path:
    """The path of the property list."""
    return Path(pathnames.home()) / "Library/LaunchAgents" / f"{LABEL}.plist"


def log_file() -> Path:
    """The path of the daemon's log."""
    return Path(pathnames.home()) / "Library/Logs/mayfly/mayfly.log"


def bootstrap() -> str:
    """Have launchd load the property list. Returns its complaint; "" if it succeeded."""
    return _launchctl("bootstrap", _domain(), str(agent()))


def bootout() -> str:
    """Have launchd end the agent and unload it, and wait until it is gone. Returns the complaint; "" if it is gone.

    launchctl returns earlier, also with EINPROGRESS (36), and a bootstrap before the agent is gone fails.
    """
    complaint = _launchctl("bootout", service())
    until = time.monotonic() + BOOTOUT_SECONDS
    while is_loaded():
        if complaint and _IN_PROGRESS not in complaint:
            return complaint
        if time.monotonic() > until:
            return f"launchd has not ended {LABEL} within {BOOTOUT_SECONDS} s"
        time.sleep(LOOK_AGAIN_SECONDS)
    return ""


def kickstart() -> str:
    """Have launchd start the agent now. Returns its complaint; "" if it succeeded."""
    return _launchctl("kickstart", service())


def setenv(name: str, value: str | None) -> str:
    """Set a variable for every program that the session starts from now on; None unsets it."""
    return _launchctl("unsetenv", name) if value is None else _launchctl("setenv", name, value)


def getenv(name: str) -> str:
    """A variable that every program of the session is started with; "" if there is none."""
    try:
        return _run("getenv", name).stdout.removesuffix("\n")
    except (OSError, programs.NotFound):
        return ""


def is_loaded() -> bool:
    """True if launchd has loaded the agent."""
    return not _launchctl("print", service())


def service() -> str:
    """The agent, as launchctl names it."""
    return f"{_domain()}/{LABEL}"


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _launchctl(*words: str) -> str:
    """The complaint of `launchctl`; "" if it succeeded."""
    try:
        ended = _run(*words)
    except programs.NotFound as reason:
        return str(reason)
    except OSError as reason:
        return f"launchctl cannot be run: {failure_words(reason)}"
    return "" if ended.exit_code == 0 else ended.stderr.strip() or f"launchctl ended with {ended.exit_code}"


def _run(*words: str) -> Ended:
    return run((programs.find("launchctl", os.environ, ["/bin/launchctl"]), *words), seconds=CALL_SECONDS)
