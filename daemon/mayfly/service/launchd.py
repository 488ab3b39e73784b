"""launchd, on macOS: the sockets that it has opened for us, and the agent by which it knows us.

Written from launch(3), launchd.plist(5) and launchctl(1), and not run on a Mac by us: see docs/service.md.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from mayfly.service.inherited import Inherited
from mayfly.shared import programs


LABEL = "io.mayfly.daemon"
CALL_SECONDS = 30


def inherited(environ: MutableMapping[str, str], library: Any = None) -> Inherited:
    """The port and the control socket, where launchd has started us."""
    if environ.get("XPC_SERVICE_NAME") != LABEL:
        return Inherited()
    return Inherited(port=_only(activated("port", library)), control=_only(activated("control", library)))


def activated(name: str, library: Any = None) -> list[int]:
    """The descriptors of the sockets called `name` in the property list; none where launchd says no."""
    system = library or ctypes.CDLL(None)
    descriptors, count = ctypes.POINTER(ctypes.c_int)(), ctypes.c_size_t(0)
    refusal = system.launch_activate_socket(name.encode(), ctypes.byref(descriptors), ctypes.byref(count))
    if refusal:
        return []
    found = [descriptors[index] for index in range(count.value)]
    system.free(descriptors)
    return found


def _only(descriptors: list[int]) -> socket.socket | None:
    """The first as a socket; the others, which nobody asked for, are closed."""
    for other in descriptors[1:]:
        os.close(other)
    return socket.socket(fileno=descriptors[0]) if descriptors else None


def agent() -> Path:
    """Where the property list is."""
    return Path.home() / "Library/LaunchAgents" / f"{LABEL}.plist"


def log_file() -> Path:
    """Where the daemon's words go."""
    return Path.home() / "Library/Logs/mayfly/mayfly.log"


def bootstrap() -> str:
    """Have launchd take over the property list; what it says where it does not."""
    return _launchctl("bootstrap", _domain(), str(agent()))


def bootout() -> str:
    """Have launchd end the agent and forget it; what it says where it does not."""
    return _launchctl("bootout", f"{_domain()}/{LABEL}")


def kickstart() -> str:
    """Have launchd start the agent now."""
    return _launchctl("kickstart", f"{_domain()}/{LABEL}")


def setenv(name: str, value: str | None) -> str:
    """Set a variable for every program that the session starts from now on, or unset it."""
    return _launchctl("unsetenv", name) if value is None else _launchctl("setenv", name, value)


def is_loaded() -> bool:
    """Whether launchd knows the agent."""
    return not _launchctl("print", f"{_domain()}/{LABEL}")


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _launchctl(*words: str) -> str:
    """What it complains of; "" if it did as it was told."""
    try:
        ended = subprocess.run(
            (programs.find("launchctl", os.environ, ["/bin/launchctl"]), *words),
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
            check=False,
        )
    except programs.NotFound as reason:
        return str(reason)
    except (OSError, subprocess.TimeoutExpired) as reason:
        return f"launchctl cannot be run ({type(reason).__name__})"
    return "" if ended.returncode == 0 else ended.stderr.strip() or f"launchctl ended with {ended.returncode}"
