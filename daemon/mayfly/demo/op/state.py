"""
The state that all calls of the stand-in `op` share.

Law: the state is one JSON file, read and written only under a flock on that file, always in place
(another file by the same name would be another lock). A call that is killed leaves nothing behind
that would have to be cleaned: what it holds, the kernel lets go.
"""

from __future__ import annotations

import fcntl
import json
import os

from contextlib import contextmanager


TYPE_CHECKING = False  # typing costs 4 ms of every call
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    State = dict[str, Any]

_SLOTS = 1024


def read(path: str) -> State:
    """The state as it is now. Raises OSError where there is none."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return _load(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def changing(path: str) -> Iterator[State]:
    """Hand out the state to be changed; written back when the block ends well."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        state = _load(descriptor)
        yield state
        content = json.dumps(state, indent=2).encode() + b"\n"
        # Padded instead of cut off: one write, so that a call killed here leaves it whole.
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
    """
    The place of this process among the calls that run now.

    Each holds a lock on one byte of a file beside the state, until it ends, however it ends.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path + ".running", os.O_RDWR | os.O_CREAT, 0o600)
        self._slot: int | None = None

    def beside(self) -> int:
        """Count the others, taking a place first if there is none yet. Call under the flock."""
        others = 0
        for slot in range(_SLOTS):
            if slot == self._slot:
                continue
            if not self._lock(slot):
                others += 1
            elif self._slot is None:
                self._slot = slot
            else:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, slot)
        return others

    def leave(self) -> None:
        """Give the place up: what remains of this process is its end."""
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
