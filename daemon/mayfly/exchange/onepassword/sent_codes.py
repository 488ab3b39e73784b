"""Each one-time password is sent once: `op.lock` keeps the 30 s time steps whose codes may have been sent, by device.

The file has numbers, secret references and serials of devices, no secret. All steps are kept and not only the last one,
because a clock that was wrong reaches the same steps again. A step is written down *before* its code is sent, so that
after a crash the code counts as sent. A file that cannot be parsed counts as "sent just now": waiting for one step
costs little, and sending a code twice costs the login.
"""

from __future__ import annotations

import json
import os
import time

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from mayfly.shared.codes import CODE_PERIOD_SECONDS, first_usable_step
from mayfly.shared.errors import ConfigInvalid


WAIT_SLICE_SECONDS = 0.25
STEPS_KEPT = 256
DEVICES_KEPT = 256
# A command has 600 s at most.
STEPS_OF_COMMAND = 600 // CODE_PERIOD_SECONDS + 1
RESERVED_BYTES = 4096
# The app's authorization of `op` ends after ten minutes without use (1Password's documentation of its security).
AUTHORIZED_SECONDS = 600
MAX_FILE_BYTES = 4 * 1024 * 1024

# The row that holds for every device, for a file that cannot be parsed.
_ANY = ""

Clock = Callable[[], datetime]
Wait = Callable[[float], None]
Rows = dict[str, list[int]]


class Device(NamedTuple):
    """A source of codes: the 1Password account (empty: the default one) and the `otp` reference in it.

    Or, once the item has been read, the serial of the MFA device itself, which is the same in every account and item.
    """

    account: str
    otp: str

    @classmethod
    def of_serial(cls, serial: str) -> Device:
        """The device that AWS calls `serial`."""
        return cls("", serial)


def devices_of(account: str | None, otp: str | None, mfa_id: str | None) -> list[Device]:
    """The device of a profile under every name it has, because two items may hold the same device.

    `mfa_id` is the device's serial, or a reference to it, which tells nothing before it is read. It stands for the
    device where `otp` is None, because 1Password does not hold the code. None: there is no device.
    """
    is_reference = (mfa_id or "").startswith("op://")
    reference = otp or (mfa_id if is_reference else None)
    named = [Device(account or "", reference)] if reference else []
    return named if is_reference or not mfa_id else [*named, Device.of_serial(mfa_id)]


class SentCodes:
    """The codes that may have been sent, in the open file of the lock. `wait` is called with seconds.

    `ticks` are the seconds of a clock that nobody sets.
    """

    def __init__(
        self,
        descriptor: int,
        clock: Clock,
        wait: Wait = time.sleep,
        *,
        path: str = "op.lock",
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._descriptor = descriptor
        self._clock = clock
        self._wait = wait
        self._path = path
        self._ticks = ticks
        self._note_since()

    def reserve(self) -> None:
        """Make sure that there is room to write, before a person is prompted for a code that could not be sent."""
        raw = os.pread(self._descriptor, MAX_FILE_BYTES, 0)
        self._write(raw or b"{}", RESERVED_BYTES)

    def must_wait(self, devices: Iterable[Device]) -> bool:
        """True if the current code of one of the devices was sent already."""
        return _first_usable(_sent(self._read(), devices), self._step()) > self._step()

    def wait_for_fresh_codes(
        self, devices: Iterable[Device], on_wait: Callable[[float], None] = lambda _seconds: None
    ) -> None:
        """Wait until the code of every device is one that was not sent. Waits in slices, because the clock may jump.

        `on_wait` is called with the seconds, if there is anything to wait for.
        """
        sent = _sent(self._read(), devices)
        if left := _left_seconds(sent, self._clock()):
            on_wait(left)
        while _first_usable(sent, self._step()) > self._step():
            self._wait(min(WAIT_SLICE_SECONDS, self._seconds_left_in_step()))
        self._note_since()

    def may_be_authorized(self, account: str) -> bool:
        """True if an `op` of this account has given codes so lately that the app may not ask again."""
        span, now = AUTHORIZED_SECONDS // CODE_PERIOD_SECONDS, self._step()
        steps = (step for key, row in self._read().items() if key.startswith(f"{account} op://") for step in row)
        # Later steps are those of a clock that was set back since.
        return any(abs(step - now) <= span for step in steps)

    def is_spent(self, device: Device) -> bool:
        """True if a code of `device` that was made since the last wait may have been sent already."""
        return _first_usable(_sent(self._read(), [device]), self._codes_since) > self._codes_since

    def has_seen_work(self, program: str) -> bool:
        """True if this very file has read values before, so that its version need not be asked for."""
        return self._read().get(_program_key(program)) == _file_identity(program)

    def note_sent(self, devices: Iterable[Device], program: str | None = None, *, is_of_command: bool = False) -> None:
        """Write down that codes are about to be sent: of this step, or of the one that ended since `op` made them.

        `is_of_command`: of any step since the last wait, because a command may make its code and wait for a touch then.
        """
        rows, now = self._read(), self._step()
        first = min(now - 1, max(self._codes_since, now - STEPS_OF_COMMAND)) if is_of_command else now - 1
        steps = sorted({*self._steps_by_ticks(), *range(first, now + 1)})
        for key in map(_key, devices):
            rows[key] = [*rows.pop(key, ()), *steps][-STEPS_KEPT:]
        if program:
            rows[_program_key(program)] = _file_identity(program)
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

    def _note_since(self) -> None:
        """From now on codes are made."""
        self._since, self._ticks_since = self._clock().timestamp(), self._ticks()
        self._codes_since = int(self._since) // CODE_PERIOD_SECONDS

    def _steps_by_ticks(self) -> range:
        """The steps since the last wait as the clock showed them then: it may have been set meanwhile."""
        now = int(self._since + self._ticks() - self._ticks_since) // CODE_PERIOD_SECONDS
        return range(max(self._codes_since, now - STEPS_OF_COMMAND), now + 1)

    def _step(self) -> int:
        return int(self._clock().timestamp()) // CODE_PERIOD_SECONDS

    def _seconds_left_in_step(self) -> float:
        return CODE_PERIOD_SECONDS - self._clock().timestamp() % CODE_PERIOD_SECONDS + 0.01


def _left_seconds(sent: Iterable[int], now: datetime) -> float:
    """How long from `now` until a code may be sent, after those of the steps `sent`."""
    at = now.timestamp()
    first = _first_usable(sent, int(at) // CODE_PERIOD_SECONDS)
    return max(0.0, first * CODE_PERIOD_SECONDS - at)


def _rows(raw: bytes, step: int) -> Rows:
    """The steps of each device; if the file cannot be parsed, `step` for every device."""
    try:
        rows = {key: [int(step) for step in steps] for key, steps in json.loads(raw or b"{}").items()}
    except (ValueError, AttributeError, TypeError, RecursionError, OverflowError):
        return {_ANY: [step]}
    return {key: steps[-STEPS_KEPT:] for key, steps in rows.items()}


def _sent(rows: Rows, devices: Iterable[Device]) -> set[int]:
    return {step for device in devices for step in (*rows.get(_key(device), ()), *rows.get(_ANY, ()))}


def _first_usable(sent: Iterable[int], now: int) -> int:
    # After a clock was set back, steps that are still to come do not count: nobody waits until the future is over.
    return first_usable_step(max((step for step in sent if step <= now + 1), default=None), now)


def _program_key(program: str) -> str:
    # No device's key is like it: a device's reference begins with op://.
    return f"op {program}"


def _file_identity(program: str) -> list[int]:
    """Numbers that change when another file takes the program's place; none if there is no file."""
    try:
        found = os.stat(program)
    except OSError:
        return []
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def _key(device: Device) -> str:
    return f"{device.account} {device.otp}"
