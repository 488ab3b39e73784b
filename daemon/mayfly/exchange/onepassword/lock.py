"""`op.lock` in the runtime folder: one `op` runs at a time. The file keeps the codes that were sent (sent_codes.py).

The lock is taken before `op` starts and released when STS has answered.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mayfly.exchange.onepassword.sent_codes import MAX_FILE_BYTES, Clock, SentCodes, Wait
from mayfly.shared import runtime_folder
from mayfly.shared.errors import ConfigInvalid


@contextmanager
def held(
    clock: Clock, wait: Wait = time.sleep, *, waits: bool = True, on_wait: Callable[[], None] = lambda: None
) -> Iterator[SentCodes]:
    """Wait for the lock and hold it for the block. The file belongs to this user alone and is no symbolic link.

    `on_wait` is called if another exchange has the lock. Raises ConfigInvalid if the runtime folder or the file in it
    cannot be used; BlockingIOError, unless it `waits`, if another one holds the lock.
    """
    path = f"{runtime_folder.make_runtime_dir()}/op.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as reason:
        raise ConfigInvalid(f"{path}: cannot be opened: {reason.strerror}: remove it") from None
    try:
        _check_plain(descriptor, path)
        _lock(descriptor, on_wait, waits=waits)
        sent = SentCodes(descriptor, clock, wait, path=path)
        sent.reserve()
        yield sent
    finally:
        os.close(descriptor)


def _check_plain(descriptor: int, path: str) -> None:
    """A pipe or a device keeps no steps, and a file of another program's may have any size."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
        raise ConfigInvalid(f"{path}: is no plain file of {MAX_FILE_BYTES // 2**20} MiB or less: remove it")


def _lock(descriptor: int, on_wait: Callable[[], None], *, waits: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not waits:
            raise
        on_wait()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
