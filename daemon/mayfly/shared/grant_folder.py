"""The folder of a grant, `grants/ID` in the runtime folder, opened by descriptors, and its socket, bound there.

A container may have mounted a folder in it. So no path is looked up as a whole, and no link is followed. `grants` and
`grants/ID` are 0700 and never mounted: what is made there is nobody else's until it is moved to its place.

Under the seal the daemon may not bind (systemd/mayfly.service), so the desk binds for it, and hands the socket over.
"""

from __future__ import annotations

import errno
import os
import socket
import sys

from collections.abc import Iterator
from contextlib import contextmanager, suppress


GRANTS = "grants"
# Where a socket is bound, in `grants/ID`; the daemon moves it to its place.
DRAFT_SOCKET = ".s"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# The daemon's acceptor makes the queue longer when it starts to serve.
_BACKLOG = 64
# A container's users have other uids than ours.
_SOCKET_MODE = 0o666


@contextmanager
def opened(name: str, *, at: int | None = None) -> Iterator[int]:
    """A descriptor of this user's folder `name` (in the folder `at`); raises OSError for a link and anything else."""
    descriptor = os.open(name, _FOLDER, dir_fd=at)
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "it belongs to another user")
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_grant(runtime_dir: str, grant_id: str) -> Iterator[int]:
    """A descriptor of `grants/ID`; raises OSError."""
    with opened(runtime_dir) as runtime, opened(GRANTS, at=runtime) as grants, opened(grant_id, at=grants) as folder:
        yield folder


def listening(runtime_dir: str, grant_id: str) -> socket.socket:
    """A new socket, `DRAFT_SOCKET` in `grants/ID`, which every user may connect to; raises OSError.

    Only its own user can change what is in the folder, so nothing can come between the bind and the change of mode.
    """
    with opened_grant(runtime_dir, grant_id) as folder:
        with suppress(FileNotFoundError):
            os.unlink(DRAFT_SOCKET, dir_fd=folder)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(f"{_path(folder, runtime_dir, grant_id)}/{DRAFT_SOCKET}")
            os.chmod(DRAFT_SOCKET, _SOCKET_MODE, dir_fd=folder)
            sock.listen(_BACKLOG)
        except BaseException:
            sock.close()
            with suppress(OSError):
                os.unlink(DRAFT_SOCKET, dir_fd=folder)
            raise
    return sock


def _path(folder: int, runtime_dir: str, grant_id: str) -> str:
    """A path of the folder that is open as `folder`: bind(2) takes no descriptor."""
    return f"/proc/self/fd/{folder}" if sys.platform == "linux" else f"{runtime_dir}/{GRANTS}/{grant_id}"
