"""Decides which processes may connect, when a connection is accepted, before a byte is read."""

from __future__ import annotations

import os
import socket

from collections.abc import Callable
from typing import NamedTuple

from mayfly.daemon.events import Events
from mayfly.daemon.log_counter import LogCounter
from mayfly.shared.peer import is_ours, unix_peer
from mayfly.shared.sock_diag import SockDiag


class Peer(NamedTuple):
    """The process at the other end: its user, and its socket's inode (TCP) or its pid (Unix); 0 is unknown."""

    uid: int
    inode: int = 0
    pid: int = 0


class Admission:
    """Admits this user's processes, and root's if `allows_root` says so.

    Without `sock_diag` (macOS) the kernel does not name the owner of a TCP connection. There only the token protects.
    """

    def __init__(self, sock_diag: SockDiag | None, events: Events, *, allows_root: Callable[[], bool]) -> None:
        self._sock_diag = sock_diag
        self._events = events
        self._allows_root = allows_root
        self._refusals = LogCounter()

    def check_sock_diag(self, port: int) -> None:
        """Raise SockDiagMissing if sock_diag does not name the owner of our own `port`."""
        if self._sock_diag is not None:
            self._sock_diag.prove(port)

    @property
    def refusals(self) -> dict[str, int]:
        """The number of refusals by cause."""
        return dict(self._refusals.counts)

    def refused(self, cause: str) -> None:
        """Count a refusal, by this class or by another."""
        if times := self._refusals.count(cause):
            self._events.warning("request.refused", cause=cause, times=times)

    def admit_tcp(self, sock: socket.socket) -> Peer | None:
        """The client of a TCP connection; None if it is refused."""
        if self._sock_diag is None:
            return Peer(os.getuid())
        try:
            client = sock.getpeername()
        except OSError:
            return self._refused("gone")
        try:
            owner = self._sock_diag.peer(client, sock.getsockname())
        except OSError:
            return self._refused("unidentified")
        # A client that has closed its socket already is nobody's, not another user's.
        return self._admitted(Peer(owner.uid, inode=owner.inode)) if owner else self._refused("gone")

    def admit_unix(self, sock: socket.socket) -> Peer | None:
        """The client of a connection to the control socket; None if it is refused."""
        found = unix_peer(sock)
        return self._admitted(Peer(found[1], pid=found[0])) if found else self._refused("unidentified")

    def _admitted(self, peer: Peer) -> Peer | None:
        return peer if is_ours(peer.uid, allow_root=self._allows_root()) else self._refused("user")

    def _refused(self, cause: str) -> Peer | None:
        self.refused(cause)
        return None
