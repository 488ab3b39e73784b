"""What a running service tells systemd: sd_notify(3), by its protocol and without its library.

Telling never fails and never waits: whether anybody listens changes nothing for the daemon.
"""

from __future__ import annotations

import array
import contextlib
import socket
import time

from collections.abc import MutableMapping


PATIENCE_SECONDS = 0.5


class Notifier:
    """Speaks to the socket at `address`: a path, or an abstract name behind an @; "" is nobody."""

    def __init__(self, address: str = "") -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Notifier:
        """The one that `environ` names, taken out of it, so that no child speaks in our name."""
        return cls(environ.pop("NOTIFY_SOCKET", ""))

    @property
    def is_heard(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """We serve; `status` is a line for `systemctl status`."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The config is being read anew, until the next `ready`."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._tell(f"STATUS={text}")

    def stopping(self) -> None:
        """We end."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """The loop that does the work has come round."""
        self._tell("WATCHDOG=1")

    def keep(self, name: str, descriptor: int) -> bool:
        """Have systemd hold on to a descriptor, whatever becomes of us; it does not look whether it can be read.

        Whether it could be told.
        """
        return self._tell("FDSTORE=1", f"FDNAME={name}", "FDPOLL=0", descriptor=descriptor)

    def drop(self, name: str) -> bool:
        """Have systemd close all descriptors that it holds under this name; whether it could be told."""
        return self._tell("FDSTOREREMOVE=1", f"FDNAME={name}")

    def _tell(self, *lines: str, descriptor: int | None = None) -> bool:
        """Whether systemd has got it."""
        if not self._address:
            return False
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [] if descriptor is None else [descriptor]))]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE_SECONDS)
            told = "\n".join(line.replace("\n", " ") for line in lines).encode()
            sock.sendmsg([told], [] if descriptor is None else rights, 0, self._address)
            return True
        return False


def watchdog_seconds(environ: MutableMapping[str, str], pid: int) -> float | None:
    """How often systemd wants to hear that process `pid` is alive; None where it does not."""
    microseconds, whose = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", str(pid))
    return int(microseconds) / 1_000_000 if microseconds.isdigit() and whose == str(pid) else None
