"""The daemon's own sockets: the port, and the control socket beside it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import resource
import socket
import stat
import time

from collections.abc import Iterable, Iterator
from pathlib import Path

from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid


BACKLOG = 1024
TRIES = 5
TRY_AGAIN_SECONDS = 0.01
AT_ONCE = 16
SPARE_DESCRIPTORS = 96
PROBE_SECONDS = 1


class Taken(Exception):
    """Somebody else listens there."""


class PortTaken(Taken):
    """Somebody else listens on the port."""


def bind_port(address: tuple[str, int]) -> socket.socket:
    """A socket that listens on `address`; raises Taken where that is not to be had."""
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    except OSError as reason:  # behind the service's seal, where the port should have been handed over
        raise Taken(f"{address[0]}:{address[1]} cannot be listened on: {reason.strerror}") from None
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        _bind_patiently(sock, address)
        sock.listen(BACKLOG)
    except OSError as reason:
        sock.close()
        kind = PortTaken if reason.errno == errno.EADDRINUSE else Taken
        raise kind(f"{address[0]}:{address[1]} cannot be listened on: {reason.strerror}") from None
    return sock


def _bind_patiently(sock: socket.socket, address: tuple[str, int]) -> None:
    """What a shell that starts now tries at the port (cli/ports.py) is over in microseconds."""
    for _ in range(TRIES):
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
    """The control socket, 0600 in its 0700 folder; raises Taken where another daemon answers on it.

    What a dead daemon left there is replaced; what is no socket, or a link, never is (ConfigInvalid).
    """
    folder, path = paths.make_runtime_dir(), paths.control_socket()
    with _alone_in(folder):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise ConfigInvalid(f"{path} is no socket: remove it")
            if _is_answered(path):
                raise Taken(f"another mayfly serves already: {path} is answered")
            path.unlink()
        return _bound(path)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep out other daemons that start: between bind and listen ours would look dead to them."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _bound(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
        sock.listen(BACKLOG)
    except OSError as reason:
        sock.close()
        # Python has no errno for a name that is too long (107 bytes on Linux, 103 on macOS).
        why = reason.strerror or "its name is too long: set MAYFLY_RUNTIME_DIR to a folder with a shorter one"
        raise ConfigInvalid(f"{path}: cannot be listened on: {why}") from None
    finally:
        os.umask(before)
    return sock


async def stop_accepting(servers: Iterable[asyncio.Server]) -> None:
    """Take nobody more, and lose nobody: who is not accepted yet stays in the queue, for whoever else has the socket.

    asyncio accepts in one round of its loop and makes the connection in the next. A server that is closed in between
    drops it unread, so the socket is left alone first, and closed when all have what is theirs.
    """
    loop, closing = asyncio.get_running_loop(), list(servers)
    for server in closing:
        for sock in server.sockets:
            loop.remove_reader(sock.fileno())
    await asyncio.sleep(0)
    for server in closing:
        server.close()


def unlink_control() -> None:
    """Take away the control socket that `bind_control` has made."""
    paths.control_socket().unlink(missing_ok=True)


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


def raise_descriptor_limit() -> None:
    """As many descriptors as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        # macOS says infinity, and means OPEN_MAX.
        soft = 10_240 if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def places() -> int:
    """For how many connections there are descriptors, less some for those that come, and for all else."""
    return max(SPARE_DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS)
