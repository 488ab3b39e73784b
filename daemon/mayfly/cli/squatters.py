"""Whether another user's process would get the requests that are meant for our daemon.

They carry our token, and what it answers would be taken for our credentials. Linux tells whose a listening socket is:
sock_diag finds the one that a connection would reach, in microseconds; where that is shut off, /proc/net/tcp and tcp6
list all (proc_net_tcp.rst of the kernel's documentation), in milliseconds. Elsewhere nothing is known, nor said.
"""

from __future__ import annotations

import os
import sys

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mayfly.cli import speech


_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"
LOOKS = 5
LOOK_AGAIN_SECONDS = 0.01
_V4_IN_V6 = bytes(10) + b"\xff\xff"

# Which of several listeners the kernel gives a connection to 127.0.0.1: the most particular.
_GENERALITY = {bytes((127, 0, 0, 1)): 0, bytes(4): 1, bytes(16): 2}


class Listener(NamedTuple):
    """A socket that a connection to 127.0.0.1 could reach: how general its address is, and its owner."""

    generality: int
    uid: int


def refuse_squatted(port: int) -> None:
    """Raise Stop if somebody else answers at 127.0.0.1:`port`, or holds it and could answer at any time."""
    if stranger := stranger_on(port):
        raise speech.Stop(
            speech.FAILED,
            f"port {port} belongs to {stranger}: what answers there is not your mayfly",
            hints=hints(port),
        )
    if owner(port) is None and is_held(port):
        raise speech.Stop(
            speech.FAILED,
            f"port {port} is held by a process that does not listen yet: what will answer there is not your mayfly",
            hints=hints(port),
        )


def stranger_on(port: int) -> str | None:
    """The name of another user who listens there; None if nobody does, or it cannot be known."""
    uid = owner(port)
    if uid is None or uid == os.getuid():
        return None
    from mayfly.shared.users import user_name

    return user_name(uid)


def hints(port: int) -> tuple[str, ...]:
    """What to do about a stranger on the port."""
    return (
        f"see what it is: sudo ss -atnp 'sport = :{port}'",
        'or choose another port in the config: listen = "127.0.0.1:PORT"',
    )


def usual_port(config: str | None = None) -> int:
    """The port where our daemon ought to be; what is wrong with the usual config is for `serve` to say.

    Raises ConfigInvalid where another one is named and cannot be read.
    """
    from contextlib import suppress

    from mayfly.config import document
    from mayfly.shared import address, paths
    from mayfly.shared.errors import ConfigInvalid

    configured = None
    if config:
        document.read(paths.config_file(config))
    if not os.environ.get("MAYFLY_LISTEN"):
        with suppress(ConfigInvalid):
            configured = document.read(paths.config_file(config)).tree.get("listen")
    with suppress(ValueError):
        return address.listen_address(None, configured if isinstance(configured, str) else None)[1]
    return address.default_address()[1]


def is_held(port: int) -> bool:
    """Whether the port is taken by a process that nobody lists because it does not listen; Linux only.

    Connections that are closing do not count, nor do those of our own processes.
    """
    import time

    if sys.platform != "linux":
        return False
    # What another shell that starts now tries at the port is over in microseconds.
    for _ in range(LOOKS):
        if not _seems_held(port):
            return False
        time.sleep(LOOK_AGAIN_SECONDS)
    return True


def _seems_held(port: int) -> bool:
    if _can_bind(port, shares=False):
        return False
    there = list(_sockets(_lines(), port))
    if any(uid == os.getuid() and has_process for uid, has_process in there):
        return False
    # Where others may bind it, too, it can be closing connections alone: they are listed, without a process.
    return not (_can_bind(port, shares=True) and any(not has_process for _, has_process in there))


def _can_bind(port: int, *, shares: bool) -> bool:
    """Whether the port is free; with `shares` also where all that is there says SO_REUSEADDR and does not listen."""
    import errno
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shares)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as reason:
            return reason.errno != errno.EADDRINUSE
    return True


def _sockets(lines: Iterable[str], port: int) -> Iterator[tuple[int, bool]]:
    """Owner of every socket that is listed with this port and an address in our way, and whether a process has it."""
    ending = f":{port:04X}"
    for row in map(str.split, lines):
        if row[1].endswith(ending) and _address(row[1].removesuffix(ending)) in _GENERALITY:
            yield int(row[7]), row[9] != "0"


def owner(port: int) -> int | None:
    """The uid of whoever listens at 127.0.0.1:`port`; None if nobody does, or it cannot be known."""
    if sys.platform != "linux":
        return None
    try:
        return _asked(port)
    except OSError:
        return listed(_lines(), port)


def _asked(port: int) -> int | None:
    from mayfly.shared.sock_diag import SockDiag

    kernel = SockDiag()
    try:
        found = kernel.listener(port)
    finally:
        kernel.close()
    return found.uid if found else None


def listed(lines: Iterable[str], port: int) -> int | None:
    """The same by the lines of /proc/net/tcp and tcp6.

    They do not tell whether a socket on [::] is for IPv6 alone: it counts.
    """
    first = min(_listeners(lines, port), default=None)
    return first.uid if first else None


def _listeners(lines: Iterable[str], port: int) -> Iterator[Listener]:
    ending = f":{port:04X}"
    for line in lines:
        _, local, _, state, *_, uid = line.split(None, 8)[:8]
        if state == _LISTEN and local.endswith(ending):
            generality = _GENERALITY.get(_address(local.removesuffix(ending)))
            if generality is not None:
                yield Listener(generality, int(uid))


def _address(digits: str) -> bytes:
    """4 or 16 bytes in network order; an IPv4 address in an IPv6 one as its 4."""
    # The kernel prints words as they are in memory.
    words = (int(digits[start : start + 8], 16) for start in range(0, len(digits), 8))
    return b"".join(word.to_bytes(4, sys.byteorder) for word in words).removeprefix(_V4_IN_V6)


def _lines() -> Iterator[str]:
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as file:  # noqa: PTH123 - /proc is no place for pathlib's care
                next(file, None)
                yield from file
        except OSError:
            continue
