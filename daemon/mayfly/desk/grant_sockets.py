"""Binds the sockets of grants for a sealed daemon, which may not: `{"question": "listen", "grant": ID}`.

The place is fixed: `grants/ID` in the folder of the desk's own socket. The answer is the listening socket with the line
`0`, or the number of the error.
"""

from __future__ import annotations

import errno
import json
import socket

from pathlib import Path
from typing import Any

from mayfly.shared.grant import is_id
from mayfly.shared.grant_folder import listening


def wanted_grant(line: bytes) -> str | None:
    """The ID of the grant whose socket is wanted; None for another question. Raises as `answer_to` does."""
    question: Any = json.loads(line)
    if question["question"] != "listen":
        return None
    if not is_id(question["grant"]):
        raise ValueError("no such grant")
    return str(question["grant"])


def send_socket(connection: socket.socket, grant_id: str) -> None:
    """Bind, and hand the socket over on this connection. Raises OSError if the connection is lost."""
    with connection.dup() as answered:
        try:
            runtime_dir = str(Path(connection.getsockname()).parent)
            with listening(runtime_dir, grant_id) as sock:
                socket.send_fds(answered, [b"0\n"], [sock.fileno()])
        except OSError as reason:  # the client may have gone, too: then it does not get the answer
            answered.send(b"%d\n" % (reason.errno or errno.EIO))
