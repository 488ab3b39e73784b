"""The receiver of a service's messages, in systemd's place."""

from __future__ import annotations

import array
import socket


class NotifyListener:
    """Listens at `address`, for NOTIFY_SOCKET: a path, or an abstract name that starts with @."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(10)

    def heard(self) -> tuple[list[str], list[int]]:
        """The next message's lines, and the descriptors that came with it."""
        raw, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(16))
        descriptors = array.array("i")
        for _, _, data in ancillary:
            descriptors.frombytes(data)
        return raw.decode().split("\n"), list(descriptors)

    def close(self) -> None:
        self._socket.close()
