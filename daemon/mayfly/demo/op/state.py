"""The state that all calls of the stand-in `op` share.

Law: the state is one JSON file, read and written under a flock on that file, and always in place, because a new file of
the same name would have another lock. A killed call leaves nothing to clean up: the kernel releases its locks.
"""

from __future__ import annotations

import fcntl
import json
import os

from contextlib import contextmanager


TYPE_CHECKING = False  # importing typing takes 4 ms of every call
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    State = dict[str, Any]

_SLOTS = 1024


def read(path: str) -> State:
    """The state as it is now. Raises OSError if there is none."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return _load(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def changing(path: str) -> Iterator[State]:
    """The state, to be changed; it is written back unless the block raises."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        state = _load(descriptor)
        yield state
        content = json.dumps(state, indent=2).encode() + b"\n"
        # Padded instead of truncated, so that it is one write, and a call killed here leaves a whole file.
        os.pwrite(descriptor, content.ljust(os.fstat(descriptor).st_size), 0)
    finally:
        os.close(descriptor)


def merged(base: State, changes: State) -> State:
    """A copy of `base` with `changes` laid over it, tables within tables."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


class Running:
    """Counts the calls that run now.

    Each of them locks one byte of a file beside the state. The kernel releases the lock when the process ends.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path + ".running", os.O_RDWR | os.O_CREAT, 0o600)
        self._slot: int | None = None

    def others(self) -> int:
        """Count the other calls, and join them on the first call. Only under the flock."""
        count = 0
        for slot in range(_SLOTS):
            if slot == self._slot:
                continue
            if not self._lock(slot):
                count += 1
            elif self._slot is None:
                self._slot = slot
            else:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, slot)
        return count

    def leave(self) -> None:
        """Stop being counted."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _lock(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except OSError:
            return False
        return True


def _load(descriptor: int) -> State:
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    state: State = json.loads(content)
    return state
