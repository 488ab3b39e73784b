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
_V4_IN_V6 = bytes(10) + b"\xff\xff"

# Which of several listeners the kernel gives a connection to 127.0.0.1: the most particular.
_GENERALITY = {bytes((127, 0, 0, 1)): 0, bytes(4): 1, bytes(16): 2}


class Listener(NamedTuple):
    """A socket that a connection to 127.0.0.1 could reach: how general its address is, and its owner."""

    generality: int
    uid: int


def refuse_squatted(port: int) -> None:
    """Raise Stop if somebody else answers at 127.0.0.1:`port`."""
    uid = owner(port)
    if uid is None or uid == os.getuid():
        return
    from mayfly.paths import user_name

    raise speech.Stop(
        speech.FAILED,
        f"port {port} belongs to {user_name(uid)}: what answers there is not your mayfly",
        hints=(
            f"see what it is: sudo ss -ltnp 'sport = :{port}'",
            'or choose another port in the config: listen = "127.0.0.1:PORT"',
        ),
    )


def owner(port: int) -> int | None:
    """The uid of whoever listens at 127.0.0.1:`port`; None if nobody does, or it cannot be known."""
    if sys.platform != "linux":
        return None
    try:
        return _asked(port)
    except OSError:
        return listed(_lines(), port)


def _asked(port: int) -> int | None:
    from mayfly.peer import SockDiag

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
