"""Bytes that systemd keeps for the service over a restart: in a sealed memfd, in its file descriptor store.

No file is written. Memory may be swapped out, as all of the daemon's memory may. A restart, a crash and `kill -9` leave
the store as it is; a stop of the unit empties it (systemd.service(5), FileDescriptorStoreMax=; seen with systemd 252).
Linux only.
"""

from __future__ import annotations

import fcntl
import os

from contextlib import suppress

from mayfly.service.notify import Notifier


NAME = "sessions"
MAX_BYTES = 8 * 1024 * 1024

# From linux/fcntl.h: F_ADD_SEALS, F_GET_SEALS, and the seals against any change. Some Pythons lack them.
_ADD_SEALS, _GET_SEALS = 1033, 1034
_SEALS = 0x1 | 0x2 | 0x4 | 0x8


def store(notifier: Notifier, content: bytes) -> bool:
    """Replace what systemd keeps by `content`; b"" only empties the store. False if systemd was too busy to be told."""
    # Two messages, each of which may fail.
    if not notifier.remove_descriptors(NAME):
        return False
    if not content:
        return True
    descriptor = sealed_memfd(content)
    try:
        return notifier.store_descriptor(NAME, descriptor)
    finally:
        os.close(descriptor)


def sealed_memfd(content: bytes) -> int:
    """A new memfd with `content`, sealed so that no process can change it any more."""
    descriptor = os.memfd_create(f"mayfly-{NAME}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        fcntl.fcntl(descriptor, _ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_and_close(descriptor: int) -> bytes | None:
    """The content of a sealed memfd; None for any other descriptor, which the daemon cannot have stored.

    A file without seals could still be changed by another process, also while the daemon reads it.
    """
    try:
        with suppress(OSError):
            if fcntl.fcntl(descriptor, _GET_SEALS) & _SEALS == _SEALS:
                size = os.fstat(descriptor).st_size
                return os.pread(descriptor, size, 0) if size <= MAX_BYTES else None
        return None
    finally:
        os.close(descriptor)
