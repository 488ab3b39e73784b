"""What a process that holds secrets tells the kernel about itself, and how it leaves nobody behind.

Linux; elsewhere only core dumps are turned off.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time

from contextlib import suppress
from pathlib import Path


# From linux/prctl.h.
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

_GLANCE_SECONDS = 0.005


def forbid_core_dumps() -> None:
    """No core file of this process or its children, whatever happens; new files are nobody else's."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)


def forbid_dumping() -> None:
    """Close /proc/self/{mem,environ,fd,maps} and ptrace to other processes of the same user.

    A guard against dumps and accidents, not against that user.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own, so that none can hide from `kill_descendants`."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def wait_for_children(within_seconds: float) -> None:
    """Reap children as they end, until there is none."""
    end = time.monotonic() + within_seconds
    with suppress(ChildProcessError):
        while time.monotonic() < end:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(_GLANCE_SECONDS)


def kill_descendants(within_seconds: float = 2) -> None:
    """Kill and reap whatever this process has started and adopted.

    It looks again until nobody is left, because whoever is killed leaves its own children to us. It gives up on those
    that cannot be killed (another user's, or stuck in the kernel).
    """
    end = time.monotonic() + within_seconds
    while (children := _children()) and time.monotonic() < end:
        gone = [pid for pid in children if _kill(pid)]
        if not gone:
            time.sleep(_GLANCE_SECONDS)


def _kill(pid: int) -> bool:
    """Whether the child is gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _children() -> list[int]:
    pid = os.getpid()
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
