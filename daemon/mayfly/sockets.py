"""The daemon's own sockets: the port, and the control socket beside it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from pathlib import Path

from mayfly import paths
from mayfly.errors import ConfigInvalid


BACKLOG = 1024
PROBE_SECONDS = 1


class Taken(Exception):
    """Somebody else listens there."""


def bind_port(address: tuple[str, int]) -> socket.socket:
    """A socket that listens on `address`; raises Taken where somebody else does."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as reason:
        sock.close()
        if reason.errno in {errno.EADDRINUSE, errno.EACCES}:
            raise Taken(f"{address[0]}:{address[1]} cannot be listened on: {os.strerror(reason.errno)}") from None
        raise
    return sock


def bind_control() -> socket.socket:
    """The control socket, 0600 in its 0700 folder; raises Taken where another daemon answers on it.

    What a dead daemon left there is replaced; what is no socket, or a link, never is (ConfigInvalid).
    """
    paths.make_runtime_dir()
    path = paths.control_socket()
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigInvalid(f"{path} is no socket: remove it")
        if _is_answered(path):
            raise Taken(f"another mayfly serves already: {path} is answered")
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
        sock.listen(BACKLOG)
    finally:
        os.umask(before)
    return sock


def unlink(sock: socket.socket) -> None:
    """Take away the name of a Unix socket that we have bound; a port has none."""
    name = sock.getsockname()
    if isinstance(name, str) and name:
        Path(name).unlink(missing_ok=True)


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True
