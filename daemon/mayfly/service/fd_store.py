"""What systemd keeps for us over a restart: bytes in a sealed memfd, in its file descriptor store.

No file is written. Memory may be swapped out, as all of ours may. A stop of the unit empties the store, a restart, a
crash and `kill -9` do not (systemd.service(5), FileDescriptorStoreMax=; seen with systemd 252). Linux.
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


def put(notifier: Notifier, content: bytes) -> bool:
    """Have `content` kept, in place of what was; nothing is kept of no content. Whether systemd could be told so."""
    # It is told twice, and may be too busy for either.
    if not notifier.drop(NAME):
        return False
    if not content:
        return True
    descriptor = sealed(content)
    try:
        return notifier.keep(NAME, descriptor)
    finally:
        os.close(descriptor)


def sealed(content: bytes) -> int:
    """A new memfd with `content`, which nobody can change any more."""
    descriptor = os.memfd_create(f"mayfly-{NAME}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        fcntl.fcntl(descriptor, _ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def taken(descriptor: int) -> bytes | None:
    """What a sealed memfd holds, and the descriptor is closed; None for what is none of ours."""
    try:
        with suppress(OSError):
            if fcntl.fcntl(descriptor, _GET_SEALS) & _SEALS == _SEALS:
                size = os.fstat(descriptor).st_size
                return os.pread(descriptor, size, 0) if size <= MAX_BYTES else None
        return None
    finally:
        os.close(descriptor)
