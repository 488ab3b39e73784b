"""What a process that holds secrets tells the kernel about itself. Linux; elsewhere only core dumps are turned off."""

from __future__ import annotations

import os
import resource
import sys


# From linux/prctl.h.
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


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


def kill_descendants() -> None:
    """Kill and reap whatever this process and its adopted children have started."""
    import signal

    while children := _children(os.getpid()):
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                continue


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123 - /proc is no place for pathlib's care
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
