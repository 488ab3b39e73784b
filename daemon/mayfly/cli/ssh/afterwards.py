"""Answers every request with 401 in the place of a grant's socket, once the grant has ended.

By then the daemon has removed the grant's socket. Without an answer clients on the other host would see a connection
that breaks off, and try again; and ssh would write into the terminal that it cannot connect.
"""

from __future__ import annotations

import json
import signal
import socket
import threading

from contextlib import suppress
from pathlib import Path


# Clients are answered one after the other. Each has this long to send its request, which is not kept.
_REQUEST_SECONDS = 2
_MAX_HEAD = 64 * 1024


def refuse_all(path: Path, message: str) -> None:
    """Listen at `path` until this process ends; a socket or a link that stands there is replaced."""
    listener = socket.socket(socket.AF_UNIX)
    ours = f"{path}-"
    listener.bind(ours)
    listener.listen(64)
    Path(ours).replace(path)
    body = json.dumps({"code": "Unauthorized", "message": message}).encode()
    head = f"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    answer = head.encode() + b"Connection: close\r\n\r\n" + body
    # The main thread waits for signals, so the other one takes none.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        threading.Thread(target=_serve, args=(listener, answer), daemon=True).start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(listener: socket.socket, answer: bytes) -> None:
    while True:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(_REQUEST_SECONDS)
                _read_head(connection)
                connection.sendall(answer)


def _read_head(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD and (block := connection.recv(4096)):
        head += block
