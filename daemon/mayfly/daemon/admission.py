"""Who may connect: looked up at accept, before a byte is read; and what was refused, counted by its cause."""

from __future__ import annotations

import os

from asyncio import Transport
from collections.abc import Callable

from mayfly.daemon.events import Events
from mayfly.daemon.log_counter import LogCounter
from mayfly.shared.peer import Peer, SockDiag, is_ours, unix_peer


class Admission:
    """Lets this user's processes in, and root's where `allows_root` says so.

    Without `sock_diag` the kernel cannot tell whose a TCP connection is: then the token alone stands.
    """

    def __init__(self, sock_diag: SockDiag | None, events: Events, *, allows_root: Callable[[], bool]) -> None:
        self._sock_diag = sock_diag
        self._events = events
        self._allows_root = allows_root
        self._log_counter = LogCounter()

    def prove(self, port: int) -> None:
        """Raise Mute where the kernel ought to tell whose a connection to our own `port` is, and does not."""
        if self._sock_diag is not None:
            self._sock_diag.prove(port)

    @property
    def refusals(self) -> dict[str, int]:
        """How often each cause has refused somebody."""
        return dict(self._log_counter.counts)

    def refused(self, cause: str) -> None:
        """Count a refusal, whoever refused."""
        if times := self._log_counter.note(cause):
            self._events.warning("request.refused", cause=cause, times=times)

    def tcp(self, transport: Transport) -> Peer | None:
        """Who is at the other end; None for whoever is turned away."""
        if self._sock_diag is None:
            return Peer(os.getuid(), 0)
        ours, client = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        try:
            peer = self._sock_diag.peer(client, ours) if client and ours else None
        except OSError:
            peer = None
        return self._admitted(peer)

    def unix(self, transport: Transport) -> Peer | None:
        """The same, on the control socket."""
        return self._admitted(unix_peer(transport.get_extra_info("socket")))

    def _admitted(self, peer: Peer | None) -> Peer | None:
        if peer and is_ours(peer.uid, allow_root=self._allows_root()):
            return peer
        self.refused("user")
        return None
