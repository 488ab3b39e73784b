"""A daemon made of one thread: it answers on the control socket with the bytes that a test gives it."""

from __future__ import annotations

import socket
import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


Answer = Callable[[socket.socket], None]


@contextmanager
def daemon(path: Path, answer: Answer, *, connections: int = 1) -> Iterator[None]:
    """A server that takes this many connections, and does with each what `answer` does."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with suppress(OSError):  # the test has ended first
                for _ in range(connections):
                    connection, _ = listener.accept()
                    with connection:
                        answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=10)


def sends(raw: bytes) -> Answer:
    """An answer of these bytes, after the request."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(raw)

    return answer


def response(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body)
