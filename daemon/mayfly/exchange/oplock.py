"""One `op` at a time, and one code once: both held by `op.lock` in the runtime folder.

The lock is taken before `op` starts and let go when STS has answered. The file keeps, for each device, the last 30 s
step whose code
may have gone out: numbers and references, no secret. A step is written down *before* its code is sent, so that a
crash counts as sent.
A file that cannot be read counts as "just now": waiting for one step is cheap, a code sent twice is not.
"""

from __future__ import annotations

import fcntl
import json
import os
import time

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from mayfly import paths
from mayfly.session import CODE_PERIOD_SECONDS, first_usable_step


WAIT_SLICE_SECONDS = 1.0

Clock = Callable[[], datetime]


class Device(NamedTuple):
    """A source of codes: the 1Password account (empty: the default one) and the `otp` reference in it."""

    account: str
    otp: str


class OpLock:
    """The right to run `op` and to send codes; made by `held`."""

    def __init__(self, descriptor: int, clock: Clock) -> None:
        self._descriptor = descriptor
        self._clock = clock

    def wait_for_fresh_codes(self, devices: Iterable[Device]) -> None:
        """Wait until every device is in a later step than the last one sent; at most one step long in slices."""
        sent = self._read()
        while any(first_usable_step(self._last_step(sent, device), self._step()) > self._step() for device in devices):
            time.sleep(min(WAIT_SLICE_SECONDS, self._left_of_step_seconds()))

    def note_sent(self, devices: Iterable[Device]) -> None:
        """Write down that codes of the present step are about to go out."""
        sent = self._read() | {self._key(device): self._step() for device in devices}
        # A step is of no interest once it is over; a week's worth keeps the file small.
        horizon = self._step() - 7 * 24 * 3600 // CODE_PERIOD_SECONDS
        rows = {key: step for key, step in sent.items() if step > horizon and key}
        os.pwrite(self._descriptor, json.dumps(rows).encode().ljust(os.fstat(self._descriptor).st_size), 0)
        os.fsync(self._descriptor)

    def _last_step(self, sent: dict[str, int], device: Device) -> int | None:
        # A clock that was set back must not make anyone wait for the future it came from.
        last = sent.get(self._key(device), sent.get(""))
        return last if last is not None and last <= self._step() + 1 else None

    def _read(self) -> dict[str, int]:
        raw = os.pread(self._descriptor, 1024 * 1024, 0)
        try:
            return {str(key): int(step) for key, step in json.loads(raw or b"{}").items()}
        except (ValueError, AttributeError, TypeError):
            return {"": self._step()}

    def _key(self, device: Device) -> str:
        return f"{device.account} {device.otp}"

    def _step(self) -> int:
        return int(self._clock().timestamp()) // CODE_PERIOD_SECONDS

    def _left_of_step_seconds(self) -> float:
        return CODE_PERIOD_SECONDS - self._clock().timestamp() % CODE_PERIOD_SECONDS + 0.01


@contextmanager
def held(clock: Clock) -> Iterator[OpLock]:
    """The lock, once everybody before us has let it go; the file is ours alone and no link."""
    path = paths.make_runtime_dir() / "op.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield OpLock(descriptor, clock)
    finally:
        os.close(descriptor)
