"""A grant's socket, bound by the desk.

Under the seal the daemon may not call bind(2), because it could give a client's connection another address.
"""

from __future__ import annotations

import errno
import json
import os
import socket

from typing import Any

from mayfly.shared.desk import MAX_LINE_BYTES
from mayfly.shared.errors import GrantUndelivered


# Includes the start of the desk's unit.
PATIENCE_SECONDS = 9
_RESTART_DESK = "systemctl --user restart mayfly-desk.service"


def from_desk(desk_socket: str, grant_id: str) -> socket.socket:
    """The socket that the desk has bound in `grants/ID`, as `grant_folder.listening` returns it.

    Blocks for PATIENCE_SECONDS at most. Raises OSError with the desk's reason, or GrantUndelivered if it does not
    answer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(PATIENCE_SECONDS)
            asking.connect(desk_socket)
            asking.sendall(json.dumps({"question": "listen", "grant": grant_id}).encode() + b"\n")
            line, descriptors, _, _ = socket.recv_fds(asking, MAX_LINE_BYTES, 1)
    except OSError as reason:
        raise _no_answer(f"{desk_socket}: {reason.strerror or 'it does not answer'}") from None
    if descriptors:
        return _listening(descriptors[0])
    raise _refusal(line)


def _listening(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    sock = socket.socket(fileno=descriptor)
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.close()
        raise _no_answer("it has opened something else")
    return sock


def _refusal(line: bytes) -> Exception:
    """The error for an answer without a socket: the desk sends an errno, and an older desk nothing."""
    try:
        answer: Any = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, int) and answer in errno.errorcode:
        return OSError(answer, os.strerror(answer))
    return _no_answer("it gives no answer")


def _no_answer(reason: str) -> GrantUndelivered:
    return GrantUndelivered(f"the desk opens no socket for the grant: {reason}", hint=_RESTART_DESK)
