"""Sockets that listen or are only bound, as this user and as another one, and a Linux without sock_diag."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from mayfly.shared.sock_diag import SocketOwner
from mayfly.shared.users import user_name


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a socket is")
root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can listen as another user")
NOBODY = 65534
ME = user_name(os.getuid())

# Has a port as another user, with these options, until its stdin ends. Its name would steer a terminal.
STRANGER = """
import os, socket, sys
host, port, options, how = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(), sys.argv[4]
open("/proc/self/comm", "w").write("a\\tname")
os.setgroups([]); os.setgid(65534); os.setuid(65534)
def bound():
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    for option in options:
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
    sock.bind((host, port))
    return sock
sock = bound()
named = sock.getsockname()[1]
if how == "listens":
    sock.listen()
elif how == "closes":
    sock.listen()
    clients = [socket.socket() for _ in range(2)]
    for client in clients:
        client.connect(("127.0.0.1", port))
        sock.accept()[0].close()
    clients[0].close()
    sock.close()
    sock = bound()
elif how == "connects":
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.listen()
        sock.connect(elsewhere.getsockname())
print(named, flush=True)
sys.stdin.read()
"""


class Listener(NamedTuple):
    """A process of another user, and the port that it has."""

    pid: int
    port: int


@contextmanager
def listening(host: str, port: int = 0, *, v6_only: bool = False) -> Iterator[int]:
    """We listen on `host`; its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        listener.bind((host, port))
        listener.listen()
        yield listener.getsockname()[1]


@contextmanager
def listening_elsewhere(host: str, *, v6_only: bool = False) -> Iterator[int]:
    """We listen on `host` alone; its port, which nobody else can listen on at 127.0.0.1 meanwhile."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        with listening(host, silent.getsockname()[1], v6_only=v6_only) as port:
            yield port


@asynccontextmanager
async def stranger(
    port: int, host: str = "127.0.0.1", options: str = "", how: str = "listens"
) -> AsyncIterator[Listener]:
    """Another user's process on the port, with these options of its socket.

    `how` is listens, closes (after two connections), connects (elsewhere), or does not listen.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STRANGER, host, str(port), options, how),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield Listener(process.pid, int(await process.stdout.readline()))
    finally:
        await process.communicate(b"")


def our_program() -> str:
    """What Linux calls the process that runs these tests."""
    return Path("/proc/self/comm").read_text().strip()


def uid_of(found: SocketOwner | None) -> int | None:
    return found.uid if found else None


def row(address: str, port: int = 9170, uid: int = 0, state: str = "0A") -> str:
    """A line of /proc/net/tcp or tcp6 on this machine."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    digits = "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))
    return f"   0: {digits}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5} 0 4711 1\n"


class NoSockDiag:
    """A kernel or a sandbox without sock_diag."""

    def __init__(self) -> None:
        raise PermissionError


@contextmanager
def holding(host: str, *, shares: bool, port: int = 0) -> Iterator[socket.socket]:
    """A socket that is bound to a port and does not listen."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shares)
        holder.bind((host, port))
        yield holder
