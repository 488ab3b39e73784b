"""The kernel's protection of a process that holds secrets: no core dumps, and no other process that looks inside.

On Linux. Elsewhere only core dumps are turned off.
"""

from __future__ import annotations

import os
import resource
import sys


# From linux/prctl.h.
_PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """Turn off core files for this process and its children, and make new files private to this user."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)


def forbid_dumping() -> None:
    """Close /proc/self/{mem,environ,fd,maps} and ptrace to other processes of the same user.

    A guard against dumps and accidents, not against that user.
    """
    prctl(_PR_SET_DUMPABLE, 0)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument; does nothing where there is no prctl."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
