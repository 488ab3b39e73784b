"""The process at the other end of a Unix socket, as the kernel tells it.

Few imports: `credential-process` runs this for every `aws` command.
"""

from __future__ import annotations

import socket
import struct
import sys

from mayfly.shared.users import could_be_anyone, daemon_uid


def unix_peer(sock: socket.socket) -> tuple[int, int] | None:
    """The pid and the uid of the process that has connected `sock`, or listens on it; None if the kernel does not say.

    Linux: SO_PEERCRED (unix(7)). macOS: `struct xucred` by LOCAL_PEERCRED, whose second word is the uid, and
    LOCAL_PEERPID (sys/un.h).
    """
    if sys.platform == "linux":
        pid, uid, _gid = struct.unpack("=iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return pid, uid
    sol_local, local_peercred, local_peerpid = 0, 1, 2
    try:
        _version, uid = struct.unpack_from("=II", sock.getsockopt(sol_local, local_peercred, 76))
        return sock.getsockopt(sol_local, local_peerpid), uid
    except OSError:
        return None


def is_ours(uid: int, *, allow_root: bool = False) -> bool:
    """True if a process of the user `uid` may talk to us: this user's, and with `allow_root` also root's.

    False for the uid that stands for every unmapped user of a user namespace, even if this process shows as it too.
    """
    return (uid == daemon_uid() and not could_be_anyone(uid)) or (allow_root and uid == 0)
