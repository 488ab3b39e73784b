"""The server on a grant's socket. Its clients may run as any user, so only the token is checked."""

from __future__ import annotations

import socket

from collections.abc import Callable

from mayfly.daemon.admission import Peer
from mayfly.daemon.http.acceptor import Acceptor
from mayfly.daemon.http.places import Places
from mayfly.daemon.http.server import Handler, Server
from mayfly.shared.peer import unix_peer


CONNECTIONS = 64
# For requests that are being answered when the grant ends.
END_SECONDS = 5
_UNKNOWN_UID = 65534


class GrantSocket:
    """Serves on a listening socket from now on."""

    def __init__(
        self,
        sock: socket.socket,
        handle: Handler,
        *,
        places: Places,
        on_fault: Callable[[BaseException | None], None],
        on_refusal: Callable[[str], None],
    ) -> None:
        self._server = Server(handle, on_fault=on_fault, on_refusal=on_refusal, places=places, most=CONNECTIONS)
        self._acceptor = Acceptor(sock, self._server, anybody)

    async def stop_accepting(self) -> None:
        """Accept no more connections; those that are open go on."""
        await self._acceptor.stop()

    async def finish_requests(self, seconds: float) -> None:
        """As `Server.finish_requests`."""
        await self._server.finish_requests(seconds)

    async def end(self, seconds: float = END_SECONDS) -> None:
        """Close each connection as soon as its request is answered, and all after `seconds`."""
        await self._acceptor.stop()
        self._server.pre_shutdown()
        await self._server.shutdown(seconds)
        self._server.leave_places()


def anybody(sock: socket.socket) -> Peer:
    """The client. A process in a container appears under a uid of another user or of none; its pid is for the audit."""
    found = unix_peer(sock)
    return Peer(found[1], pid=found[0]) if found else Peer(_UNKNOWN_UID)
