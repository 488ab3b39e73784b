"""One `op` at a time, and one code once: both held by `op.lock` in the runtime folder.

The lock is taken before `op` starts and let go when STS has answered. The file keeps, for each device, the 30 s steps
whose codes may have gone out: numbers, references and devices' serials, no secret. All of them and not the last alone,
because a clock that was wrong comes by its steps again. They are written down *before* a code is sent, so that a crash
counts as sent. A file that cannot be read counts as "just now": waiting for one step is cheap, a code sent twice is
not.
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

from mayfly.session import CODE_PERIOD_SECONDS, first_usable_step
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid


WAIT_SLICE_SECONDS = 0.25
STEPS_KEPT = 256
DEVICES_KEPT = 256
RESERVED_BYTES = 4096
MAX_FILE_BYTES = 4 * 1024 * 1024

# The row that counts for every device, where it cannot be known what was sent.
_ANY = ""

Clock = Callable[[], datetime]
Wait = Callable[[float], None]
Rows = dict[str, list[int]]


class Device(NamedTuple):
    """A source of codes: the 1Password account (empty: the default one) and the `otp` reference in it.

    Or, where the item has told it, the serial of the MFA device itself, by whatever way it was reached.
    """

    account: str
    otp: str

    @classmethod
    def of_serial(cls, serial: str) -> Device:
        """The device that AWS calls `serial`."""
        return cls("", serial)


class OpLock:
    """The right to run `op` and to send codes; made by `held`. `wait` takes seconds."""

    def __init__(self, descriptor: int, clock: Clock, wait: Wait = time.sleep, *, path: str = "op.lock") -> None:
        self._descriptor = descriptor
        self._clock = clock
        self._wait = wait
        self._path = path
        self._codes_since = self._step()

    def reserve(self) -> None:
        """Be sure that there is room to write, before somebody is asked for a code that could not go out."""
        raw = os.pread(self._descriptor, MAX_FILE_BYTES, 0)
        self._write(raw or b"{}", RESERVED_BYTES)

    def wait_for_fresh_codes(self, devices: Iterable[Device]) -> None:
        """Wait until every device is in a step whose code was not sent; in slices, because the clock may jump."""
        sent = _sent(self._read(), devices)
        while _first_usable(sent, self._step()) > self._step():
            self._wait(min(WAIT_SLICE_SECONDS, self._left_of_step_seconds()))
        self._codes_since = self._step()

    def is_spent(self, device: Device) -> bool:
        """Whether a code of `device` may have gone out already, where it was made since the last wait was over."""
        return _first_usable(_sent(self._read(), [device]), self._codes_since) > self._codes_since

    def note_sent(self, devices: Iterable[Device]) -> None:
        """Write down that codes are about to go out: of this step, or of the one that ended since `op` made them."""
        rows, now = self._read(), self._step()
        for key in map(_key, devices):
            rows[key] = [*rows.pop(key, ()), now - 1, now][-STEPS_KEPT:]
        text = json.dumps(dict(list(rows.items())[-DEVICES_KEPT:]))
        # Padded, not cut: one write leaves the file whole wherever it is interrupted.
        self._write(text.encode(), os.fstat(self._descriptor).st_size)

    def _write(self, raw: bytes, size: int) -> None:
        """Raises ConfigInvalid where it cannot be written: an unknown fate of a code is no reason to send it."""
        try:
            os.pwrite(self._descriptor, raw.ljust(size), 0)
            os.fsync(self._descriptor)
        except OSError as reason:
            raise ConfigInvalid(f"{self._path}: cannot be written: {reason.strerror}: make room there") from None

    def _read(self) -> Rows:
        return _rows(os.pread(self._descriptor, MAX_FILE_BYTES, 0), self._step())

    def _step(self) -> int:
        return int(self._clock().timestamp()) // CODE_PERIOD_SECONDS

    def _left_of_step_seconds(self) -> float:
        return CODE_PERIOD_SECONDS - self._clock().timestamp() % CODE_PERIOD_SECONDS + 0.01


def left_seconds(raw: bytes, devices: Iterable[Device], now: datetime) -> float:
    """How long it is from `now` until codes of all `devices` may go out, by the file's bytes. Pure."""
    at = now.timestamp()
    step = int(at) // CODE_PERIOD_SECONDS
    first = _first_usable(_sent(_rows(raw, step), devices), step)
    return max(0.0, first * CODE_PERIOD_SECONDS - at)


def _rows(raw: bytes, step: int) -> Rows:
    """The steps by device; where that cannot be known, `step` for every one."""
    try:
        rows = {key: [int(step) for step in steps] for key, steps in json.loads(raw or b"{}").items()}
    except (ValueError, AttributeError, TypeError, RecursionError, OverflowError):
        return {_ANY: [step]}
    return {key: steps[-STEPS_KEPT:] for key, steps in rows.items()}


def _sent(rows: Rows, devices: Iterable[Device]) -> set[int]:
    return {step for device in devices for step in (*rows.get(_key(device), ()), *rows.get(_ANY, ()))}


def _first_usable(sent: Iterable[int], now: int) -> int:
    # A clock that was set back waits for the next step, and not for the future that it came from.
    return first_usable_step(max((step for step in sent if step <= now + 1), default=None), now)


def _key(device: Device) -> str:
    return f"{device.account} {device.otp}"


@contextmanager
def held(clock: Clock, wait: Wait = time.sleep) -> Iterator[OpLock]:
    """The lock, once everybody before us has let it go; the file is ours alone and no link.

    Raises ConfigInvalid where the runtime folder or the file in it cannot be used.
    """
    path = paths.make_runtime_dir() / "op.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as reason:
        raise ConfigInvalid(f"{path}: cannot be opened: {reason.strerror}: remove it") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        lock = OpLock(descriptor, clock, wait, path=str(path))
        lock.reserve()
        yield lock
    finally:
        os.close(descriptor)
