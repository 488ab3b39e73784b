"""The daemon's own sockets: the port, and the control socket beside it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import sys
import time

from collections.abc import Iterator
from pathlib import Path

from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.sock_diag import SockDiag


BIND_TRIES = 5
TRY_AGAIN_SECONDS = 0.01
PROBE_SECONDS = 1

# Device, inode and time of creation. The number of an inode that was freed is soon used again.
FileIdentity = tuple[int, int, int]


class CannotListen(Exception):
    """The daemon cannot have the address or the socket that it should listen on."""


class PortTaken(CannotListen):
    """Another process has the port."""


def bind_port(address: tuple[str, int]) -> socket.socket:
    """A socket that listens on `address`; raises PortTaken, or CannotListen for any other reason.

    PortTaken is also raised if another process has bound the same port (SO_REUSEADDR), and is another user's or does
    not listen.
    """
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    except OSError as reason:  # in the sealed unit, which opens no sockets: systemd should have passed the port
        raise CannotListen(f"{address[0]}:{address[1]} cannot be listened on: {reason.strerror}") from None
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        _bind(sock, address)
        sock.listen()
        is_shared = _is_shared(sock)
    except OSError as reason:
        sock.close()
        kind = PortTaken if reason.errno == errno.EADDRINUSE else CannotListen
        raise kind(f"{address[0]}:{address[1]} cannot be listened on: {reason.strerror}") from None
    if is_shared:
        sock.close()
        raise PortTaken(f"{address[0]}:{address[1]} cannot be listened on: another process has it, too")
    return sock


def _is_shared(sock: socket.socket) -> bool:
    """True if another process could listen in our place as soon as we end.

    While we listen, no other process can bind the port, so one look is enough. It is repeated, because `mayfly env` may
    have bound the port before, for microseconds.
    """
    if sys.platform != "linux":
        return False
    for _ in range(BIND_TRIES):
        try:
            with contextlib.closing(SockDiag()) as kernel:
                others = kernel.holders(sock.getsockname()[1])
        except OSError:
            return False  # no sock_diag: then no client is served anyway
        if not any(one.is_only_bound or one.owner.uid != os.getuid() for one in others):
            return False
        time.sleep(TRY_AGAIN_SECONDS)
    return True


def _bind(sock: socket.socket, address: tuple[str, int]) -> None:
    """Bind, and try again a few times: `mayfly env` binds the port for microseconds (cli/ports.py) to look at it."""
    for _ in range(BIND_TRIES):
        try:
            sock.bind(address)
        except OSError as reason:
            if reason.errno != errno.EADDRINUSE:
                raise
            time.sleep(TRY_AGAIN_SECONDS)
        else:
            return
    sock.bind(address)


def bind_control() -> socket.socket:
    """The control socket, 0600 in its 0700 folder; raises CannotListen if another daemon answers on it.

    Replaces the socket of a daemon that died. Raises ConfigInvalid for anything else at its path, a link too.
    """
    folder, path = paths.make_runtime_dir(), paths.control_socket()
    with _locked(folder):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise ConfigInvalid(f"{path} is no socket: remove it")
            if _is_answered(path):
                raise CannotListen(f"another mayfly serves already: {path} is answered")
            path.unlink()
        return _bind_unix(path)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other daemons from starting in the block: between bind and listen our socket would look dead to them."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _bind_unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
        sock.listen()
    except OSError as reason:
        sock.close()
        why = reason.strerror or paths.SOCKET_PATH_TOO_LONG
        raise ConfigInvalid(f"{path}: cannot be listened on: {why}") from None
    finally:
        os.umask(before)
    return sock


def control_file() -> FileIdentity | None:
    """The identity of the file at the control socket's path; None if there is none."""
    try:
        facts = paths.control_socket().lstat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns


def unlink_control(ours: FileIdentity | None) -> None:
    """Remove the control socket if it is `ours`: while we drained, another daemon may have put its own there."""
    with contextlib.suppress(FileNotFoundError), _locked(paths.runtime_dir()):
        if ours is not None and control_file() == ours:
            paths.control_socket().unlink()


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


def check_host(port: socket.socket) -> None:
    """Raise ConfigInvalid for a port that other machines could reach."""
    host, number = port.getsockname()
    if host != "127.0.0.1":
        raise ConfigInvalid(
            f"the service manager has opened {host}:{number}, and mayfly serves on 127.0.0.1 alone:"
            f" make it ListenStream=127.0.0.1:{number}"
        )
