"""The processes that this one started, and theirs: none outlives the exchange.

On Linux. Elsewhere a descendant that leaves its process group is not found.
"""

from __future__ import annotations

import os
import signal
import time

from contextlib import suppress

from mayfly.shared.hardening import prctl


# From linux/prctl.h.
_PR_SET_CHILD_SUBREAPER = 36

_POLL_SECONDS = 0.005


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own, so that `kill_descendants` finds it."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def wait_for_children(within_seconds: float) -> None:
    """Reap children as they end, until none is left or the time is over."""
    end = time.monotonic() + within_seconds
    with suppress(ChildProcessError):
        while time.monotonic() < end:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(_POLL_SECONDS)


def kill_descendants(within_seconds: float = 2) -> None:
    """Kill and reap every process that this one has started or adopted.

    It looks again until none is left, because the children of a killed process become ours. It gives up on processes
    that cannot be killed: another user's, or stuck in the kernel.
    """
    end = time.monotonic() + within_seconds
    while (children := _children()) and time.monotonic() < end:
        gone = [pid for pid in children if _kill(pid)]
        if not gone:
            time.sleep(_POLL_SECONDS)


def _kill(pid: int) -> bool:
    """True if the child is gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _children() -> list[int]:
    pid = os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []
