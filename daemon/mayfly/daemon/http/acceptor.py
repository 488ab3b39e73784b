"""Accepts connections, refuses those of other users at once, and gives the others to a server.

asyncio's own `create_server` makes a transport for each connection before anybody can look at it, which takes three
times as long as a refusal here. While another user's processes connect faster than they are refused, the kernel drops
connections of honest clients, which try again after 1, 2 and 4 seconds.
"""

from __future__ import annotations

import asyncio
import socket

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from mayfly.daemon.admission import Peer
from mayfly.daemon.http.connection import CROWDED, FOREIGN
from mayfly.daemon.http.places import Room
from mayfly.daemon.http.server import Server
from mayfly.daemon.tasks import TaskSet


# As long as the kernel allows (net.core.somaxconn, 4096 by default).
BACKLOG = 4096
# The number of connections that are admitted, and that are looked at, before requests are read again. The more
# connections are open, the longer it takes to read from all of them, and the more are admitted at once.
ADMITTED_AT_ONCE = 16
ADMITTED_SHARE = 1 / 8
AT_ONCE = 128
# Refused clients that get an answer; more are closed without one.
ANSWERS_PER_SECOND = 32
# After an error of the system, such as no descriptor being left.
PAUSE_SECONDS = 0.1
# If every place is taken: the time until the next look for a free one, and the longest wait of a client for it.
LOOK_AGAIN_SECONDS = 0.02
HELD_SECONDS = 5


class Acceptor:
    """Accepts on `sock` for `server`. `admit` returns the process at the other end, or None to refuse it.

    While `may_accept` is False, connections stay in the listen queue.
    """

    def __init__(
        self,
        sock: socket.socket,
        server: Server,
        admit: Callable[[socket.socket], Peer | None],
        *,
        may_accept: Callable[[], bool] = lambda: True,
    ) -> None:
        self._sock = sock
        self._server = server
        self._admit = admit
        self._may_accept = may_accept
        self._loop = asyncio.get_running_loop()
        self._tasks = TaskSet()
        self._pause: asyncio.TimerHandle | None = None
        self._held: tuple[socket.socket, Peer] | None = None
        self._held_until_seconds = 0.0
        self._is_short = False
        self._answered: deque[float] = deque(maxlen=ANSWERS_PER_SECOND)
        sock.setblocking(False)
        sock.listen(BACKLOG)
        self._start()

    def _start(self) -> None:
        self._pause = None
        if self._held:
            client, peer = self._held
            self._held = None
            self._is_seated(client, peer, may_wait=self._loop.time() < self._held_until_seconds)
        if not self._held:
            self._loop.add_reader(self._sock, self._accept)

    async def stop(self) -> None:
        """Stop accepting, without dropping a connection.

        Pending connections stay in the listen queue for the next process that holds the socket.
        """
        if self._sock.fileno() < 0:
            return
        self._loop.remove_reader(self._sock)
        if self._pause:
            self._pause.cancel()
        self._sock.close()
        if self._held:
            self._serve(*self._held)
        await self._tasks.finish()

    def _accept(self) -> None:
        if not self._may_accept():
            self._wait()
            return
        admitted, most = 0, max(ADMITTED_AT_ONCE, int(self._server.count * ADMITTED_SHARE))
        for _ in range(max(AT_ONCE, most)):
            if admitted == most:
                return
            try:
                client, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as reason:
                # Report the error when it begins, not at each try.
                if not self._is_short:
                    self._server.on_fault(reason)
                self._is_short = True
                self._wait()
                return
            self._is_short = False
            client.setblocking(False)
            admitted += self._is_admitted(client)
            if self._held:
                self._loop.remove_reader(self._sock)
                return

    def _wait(self) -> None:
        """Try again later. If the loop tried again at once, it would do nothing else."""
        self._loop.remove_reader(self._sock)
        self._pause = self._loop.call_later(PAUSE_SECONDS, self._start)

    def _is_admitted(self, client: socket.socket) -> bool:
        """Give the client to the server, or close its connection, or hold it until there is a place."""
        peer = self._admit(client)
        if peer is None:
            self._refuse(client)
            return False
        self._held_until_seconds = self._loop.time() + HELD_SECONDS
        return self._is_seated(client, peer)

    def _is_seated(self, client: socket.socket, peer: Peer, *, may_wait: bool = True) -> bool:
        room = self._server.make_room(peer)
        if room is Room.LATER and may_wait:
            # The next clients stay in the listen queue. When they are accepted, their requests are there already.
            self._held = (client, peer)
            self._pause = self._loop.call_later(LOOK_AGAIN_SECONDS, self._start)
        elif room is Room.LATER:
            self._server.on_refusal("crowded")
            self._turn_away(client)
        elif room is Room.NONE:
            self._turn_away(client)
        else:
            self._serve(client, peer)
            return True
        return False

    def _turn_away(self, client: socket.socket) -> None:
        """Close the connection. A command gets an answer first, if that can be sent without waiting."""
        if self._server.has_reserve:
            with suppress(OSError):
                client.send(CROWDED.last)
        client.close()

    def _serve(self, client: socket.socket, peer: Peer) -> None:
        self._server.expect()
        self._spawn(client, lambda: self._server.connection_of(peer), self._server.forget_expected)

    def _refuse(self, client: socket.socket) -> None:
        refused, seconds = self._server.refused_connections, self._loop.time()
        is_crowd = len(self._answered) == ANSWERS_PER_SECOND and seconds - self._answered[0] < 1
        if is_crowd or not refused.has_room:
            client.close()
            return
        self._answered.append(seconds)
        self._spawn(client, lambda: refused.protocol(FOREIGN.last), lambda: None)

    def _spawn(
        self, client: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], on_failure: Callable[[], None]
    ) -> None:
        self._tasks.start(self._connect(client, protocol, on_failure))

    async def _connect(
        self, client: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], on_failure: Callable[[], None]
    ) -> None:
        try:
            await self._loop.connect_accepted_socket(protocol, client)
        except OSError:  # the client has gone
            client.close()
            on_failure()
