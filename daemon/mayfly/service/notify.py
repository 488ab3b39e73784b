"""The messages of a running service to systemd: the protocol of sd_notify(3), without its library.

A message never fails and never waits for long: the daemon goes on in the same way if nobody receives it.
"""

from __future__ import annotations

import array
import contextlib
import socket
import time

from collections.abc import MutableMapping


SEND_SECONDS = 0.5


class Notifier:
    """Sends to the socket at `address`: a path, an abstract name that starts with @, or "" for no socket at all."""

    def __init__(self, address: str = "") -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    @classmethod
    def from_environ(cls, environ: MutableMapping[str, str]) -> Notifier:
        """For the socket in `environ`. Removes the variable, so that no child sends in our name."""
        return cls(environ.pop("NOTIFY_SOCKET", ""))

    @property
    def is_enabled(self) -> bool:
        """True if there is a socket to send to."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """The service serves; `status` is a line for `systemctl status`."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The service reads its config anew, until the next `ready`."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """The service ends."""
        self._send("STOPPING=1")

    def feed_watchdog(self) -> None:
        """The service's main loop has done another round."""
        self._send("WATCHDOG=1")

    def store_descriptor(self, name: str, descriptor: int) -> bool:
        """Have systemd keep a descriptor for the next start. False if the message could not be sent.

        FDPOLL=0: systemd need not watch for the descriptor's end; a memfd has none.
        """
        return self._send("FDSTORE=1", f"FDNAME={name}", "FDPOLL=0", descriptor=descriptor)

    def remove_descriptors(self, name: str) -> bool:
        """Have systemd close all descriptors that it keeps under this name. False if the message could not be sent."""
        return self._send("FDSTOREREMOVE=1", f"FDNAME={name}")

    def _send(self, *lines: str, descriptor: int | None = None) -> bool:
        """True if the message has reached systemd's queue."""
        if not self._address:
            return False
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [] if descriptor is None else [descriptor]))]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(SEND_SECONDS)
            message = "\n".join(line.replace("\n", " ") for line in lines).encode()
            sock.sendmsg([message], [] if descriptor is None else rights, 0, self._address)
            return True
        return False


def watchdog_seconds(environ: MutableMapping[str, str], pid: int) -> float | None:
    """The time within which systemd expects a message from process `pid`; None if it expects none."""
    microseconds, receiver = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", str(pid))
    return int(microseconds) / 1_000_000 if microseconds.isdigit() and receiver == str(pid) else None
