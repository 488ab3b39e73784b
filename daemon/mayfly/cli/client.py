"""The client of the control socket: one request and its answer, on one connection.

Law: only our own daemon is believed. The process at the other end must run as this user; the owner of the socket's file
does not count. Few imports: `credential-process` is called by every `aws` command.
"""

from __future__ import annotations

import os
import socket
import sys
import time

from mayfly.shared import runtime_folder
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.peer import is_ours, unix_peer
from mayfly.shared.trust import check_private
from mayfly.shared.users import user_name


CONNECT_SECONDS = 2
ANSWER_SECONDS = 10
# Ten thousand grants, the longest list there is, take a tenth of this.
MAX_ANSWER_BYTES = 32 * 1024 * 1024

# True while the daemon that answers was started for this process, and ends with it: `init` does that for a login.
daemon_ends_with_us = False


class NotRunning(Exception):
    """No daemon answers on the control socket."""


class Distrusted(Exception):
    """Another user's process answers on the control socket."""


class Reply:
    """An HTTP status and its body."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body


class Call:
    """A request that has been sent; it can be given to `select`, which waits for the answer."""

    def __init__(self, sock: socket.socket, path: str) -> None:
        self._sock = sock
        self._path = path

    def fileno(self) -> int:
        """The descriptor that becomes readable when the answer comes."""
        return self._sock.fileno()

    def reply(self) -> Reply:
        """Wait for the whole answer; raises NotRunning if the daemon ends before, is too slow, or does not stop."""
        received = bytearray()
        seconds = self._sock.gettimeout()
        end = None if seconds is None else time.monotonic() + seconds
        try:
            with self._sock:
                while block := self._sock.recv(65536):
                    received += block
                    if len(received) > MAX_ANSWER_BYTES:
                        raise NotRunning(f"the daemon at {self._path} answers without end")
                    if end is not None:
                        self._sock.settimeout(max(0.001, end - time.monotonic()))
        except TimeoutError:
            raise NotRunning(f"the daemon at {self._path} does not answer") from None
        except ConnectionError:
            pass  # `reply_in` sees whether the answer is whole
        return reply_in(bytes(received), self._path)

    def read(self) -> bytes:
        """The bytes that have come of an answer without an end (`GET /events`); b"" at its end."""
        try:
            return self._sock.recv(65536)
        except OSError:
            return b""

    def close(self) -> None:
        """Wait for no answer any more."""
        self._sock.close()


def reply_in(received: bytes, path: str = "") -> Reply:
    """The whole answer in these bytes; raises NotRunning if it broke off. `path` is for the reason's text."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    length = next((line[15:] for line in lines if line.lower().startswith(b"content-length:")), b"")
    words = first.split()
    if len(words) < 2 or len(words[1]) != 3 or not words[1].isdigit() or length.strip() != str(len(body)).encode():
        raise NotRunning(f"the daemon at {path} ended before it had answered")
    return Reply(int(words[1]), body)


def send(method: str, target: str, *, answer_seconds: float | None = ANSWER_SECONDS, body: bytes = b"") -> Call:
    """Send a request without waiting for its answer; `answer_seconds`: None if the answer may wait for a human.

    Raises NotRunning if there is no daemon, Distrusted if it is another user's, ConfigInvalid if another user could
    change the socket's folder, or its name is too long for the system.
    """
    path = runtime_folder.trusted_control_socket()
    sock = _connected(path)
    try:
        sock.settimeout(answer_seconds)
        head = f"{method} {target} HTTP/1.0\r\nHost: mayfly\r\nContent-Length: {len(body)}\r\n\r\n"
        sock.sendall(head.encode() + body)
    except OSError:
        sock.close()
        raise NotRunning(f"the daemon at {path} does not listen") from None
    return Call(sock, path)


def ask(method: str, target: str, *, answer_seconds: float | None = ANSWER_SECONDS) -> Reply:
    """Send a request and wait for its answer."""
    return send(method, target, answer_seconds=answer_seconds).reply()


def _connected(path: str) -> socket.socket:
    """A connection to a process of this user."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _connect(sock, path)
        _check_peer(sock, path)
    except BaseException as reason:
        sock.close()
        if isinstance(reason, OSError):  # Python's own has no number; a link to itself has one
            why = runtime_folder.SOCKET_PATH_TOO_LONG if reason.errno is None else reason.strerror
            raise ConfigInvalid(f"{path}: cannot be connected to: {why}") from None
        raise
    return sock


def _connect(sock: socket.socket, path: str) -> None:
    sock.settimeout(CONNECT_SECONDS)
    until = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return sock.connect(path)
        except BlockingIOError:  # Linux: the queue is full, as with a thousand clients at once
            if time.monotonic() > until:
                raise NotRunning(f"the daemon at {path} does not accept connections") from None
            time.sleep(0.01)
        except TimeoutError:
            raise NotRunning(f"the daemon at {path} does not accept connections") from None
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise NotRunning("the daemon does not run") from None
        except PermissionError:
            raise Distrusted(f"{path} may not be opened by you") from None


def _check_peer(sock: socket.socket, path: str) -> None:
    """Raise Distrusted unless the process that listens is this user's."""
    peer = unix_peer(sock)
    if peer is None:
        raise Distrusted(f"the system does not say who answers {path}")
    # On macOS a socket that launchd has made is root's until the daemon has called listen() on it.
    is_launchds = sys.platform == "darwin" and peer[1] == 0 and _is_private(os.path.dirname(path))
    if not is_ours(peer[1]) and not is_launchds:
        raise Distrusted(f"{path} is answered by {user_name(peer[1])}, not by you")


def _is_private(folder: str) -> bool:
    """True if only this user and root can put a socket into the folder."""
    try:
        check_private(folder, 0o700)
    except (ConfigInvalid, OSError):
        return False
    return True
