"""Finds the owner of a TCP port of this machine, and refuses another user's.

A request to the endpoint carries our token, and SDKs believe the answer. So no shell gets the URL of a port that
another user's process has. Linux names the owner of a listening socket: sock_diag finds the socket that a
connection would reach, in microseconds. Where sock_diag is shut off, /proc/net/tcp and tcp6 list all sockets
(proc_net_tcp.rst of the kernel's documentation), in milliseconds. A socket that is bound and does not listen is listed
by sock_diag since Linux 6.8, and nowhere before: there only a bind that fails tells of it. A socket's process is found
by the links in /proc/PID/fd. Only the process's user and root may read them; our daemon's links only root can read.
Other systems tell nothing.

Few imports: `env` runs this in every shell start-up.
"""

from __future__ import annotations

import os
import sys

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from mayfly.cli import speech
from mayfly.shared import sock_diag
from mayfly.shared.sock_diag import Holder, SocketOwner
from mayfly.shared.text import printable
from mayfly.shared.users import daemon_uid, user_name


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PROC = "/proc"
LOOKS = 5
LOOK_AGAIN_SECONDS = 0.01

_LISTEN = "0A"
_V4_IN_V6 = bytes(10) + b"\xff\xff"

# The addresses that 127.0.0.1 belongs to. Of several listeners the kernel takes the one with the most specific address.
_RANKS = {bytes((127, 0, 0, 1)): 0, bytes(4): 1, bytes(16): 2}


class Row(NamedTuple):
    """A socket in the kernel's tables; `rank` by its address, and `inode` 0 where no process has it any more."""

    rank: int
    listens: bool
    uid: int
    inode: int


def refuse_other_users(port: int) -> None:
    """Raise Stop if another user answers at 127.0.0.1:`port`, or an unknown process has it and could answer soon."""
    if user := other_user(port):
        what = f"belongs to {user}: another program answers there"
    elif owner(port) is None and has_unknown_holder(port):
        what = "is held by a process that does not listen yet: another program will answer there"
    else:
        return
    raise speech.Stop(speech.FAILED, f"port {port} {what}", hints=hints(port))


def hints(port: int) -> tuple[str, ...]:
    """The next steps if another user's process has the port."""
    return (
        f"see what it is: sudo ss -atnp 'sport = :{port}'",
        'or choose another port in the config: listen = "127.0.0.1:PORT"',
    )


def other_user(port: int) -> str | None:
    """The name of another user who listens at 127.0.0.1:`port`; None if nobody does, or it cannot be known."""
    uid = owner(port)
    return None if uid is None or uid == daemon_uid() else user_name(uid)


def owner(port: int) -> int | None:
    """The uid of the process that listens at 127.0.0.1:`port`; None if none does, or it cannot be known."""
    found = _listener(port)
    return found.uid if found else None


def holder(port: int) -> str | None:
    """`PROGRAM (pid N) of USER` for the process that listens at 127.0.0.1:`port`, as far as it is known, or None."""
    found = _listener(port)
    return _named(found) if found else None


def _named(found: SocketOwner) -> str:
    return f"{_process(found.inode) or _daemon(found.uid) or 'a process'} of {user_name(found.uid)}"


def is_strangers(port: int) -> bool:
    """True if another user's process has 127.0.0.1:`port` in any way, or if it cannot be known whose it is."""
    if holders := _holders(port):
        return any(one.owner.uid != daemon_uid() for one in holders)
    uid = owner(port)
    return has_unknown_holder(port) if uid is None else uid != daemon_uid()


def silent_holder(port: int) -> str | None:
    """The same as `holder` for a process that has the port and does not listen; None if it is not known."""
    found = [one.owner for one in _holders(port) or () if not one.listens]
    return _named(found[0]) if found else None


def has_unknown_holder(port: int) -> bool:
    """True if a process has bound the port without listening, or another user's has it; False on other systems.

    Connections that are closing do not count, nor do connections of our own processes.
    """
    import time

    if sys.platform != "linux":
        return False
    # Another shell that starts now may bind the port for microseconds, to test it. So look again.
    for _ in range(LOOKS):
        if not _seems_held(port):
            return False
        time.sleep(LOOK_AGAIN_SECONDS)
    return True


def _seems_held(port: int) -> bool:
    if _can_bind(port, shares=False):
        return False
    holders = _holders(port)
    if holders:
        return any(one.is_only_bound or one.owner.uid != daemon_uid() for one in holders)
    if holders is not None:
        # Only closing connections, which no process has. They do not prevent a bind with SO_REUSEADDR.
        return not _can_bind(port, shares=True)
    rows = list(_rows(_lines(), port))
    if any(row.uid == os.getuid() and row.inode for row in rows):
        return False
    # If it can be bound with SO_REUSEADDR, it may have closing connections only, which are listed without a process.
    return not (_can_bind(port, shares=True) and any(not row.inode for row in rows))


def _can_bind(port: int, *, shares: bool) -> bool:
    """True if the port is free; with `shares` it may be bound by sockets that set SO_REUSEADDR and do not listen."""
    import errno
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shares)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as reason:
            return reason.errno != errno.EADDRINUSE
    return True


def _listener(port: int) -> SocketOwner | None:
    """The socket that a connection to 127.0.0.1:`port` would reach; None if there is none, or it cannot be known."""
    if sys.platform != "linux":
        return None
    try:
        with closing(sock_diag.SockDiag()) as kernel:
            return kernel.listener(port)
    except OSError:
        return listed(_lines(), port)


def _holders(port: int) -> list[Holder] | None:
    """The sockets that processes have on 127.0.0.1:`port`; None if those that are only bound cannot be known."""
    if sys.platform != "linux":
        return None
    try:
        with closing(sock_diag.SockDiag()) as kernel:
            return kernel.holders(port) if kernel.lists_bound() else None
    except OSError:
        return None


def listed(lines: Iterable[str], port: int) -> SocketOwner | None:
    """The same by the lines of /proc/net/tcp and tcp6.

    They do not tell whether a socket on [::] takes IPv6 alone: it counts.
    """
    first = min((row for row in _rows(lines, port) if row.listens), default=None)
    return SocketOwner(first.uid, first.inode) if first else None


def _rows(lines: Iterable[str], port: int) -> Iterator[Row]:
    """The sockets with this port and an address that 127.0.0.1 belongs to."""
    ending = f":{port:04X}"
    for line in lines:
        _, local, _, state, _, _, _, uid, _, inode = line.split(None, 10)[:10]
        if local.endswith(ending):
            rank = _RANKS.get(_address(local.removesuffix(ending)))
            if rank is not None:
                yield Row(rank, state == _LISTEN, int(uid), int(inode))


def _address(digits: str) -> bytes:
    """4 or 16 bytes in network order; an IPv4 address in an IPv6 one as its 4."""
    # The kernel prints each word as it is in memory.
    words = (int(digits[start : start + 8], 16) for start in range(0, len(digits), 8))
    return b"".join(word.to_bytes(4, sys.byteorder) for word in words).removeprefix(_V4_IN_V6)


def _lines() -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            with open(os.path.join(PROC, "net", table), encoding="ascii") as file:
                next(file, None)
                yield from file
        except OSError:
            continue


def _process(inode: int) -> str | None:
    """`PROGRAM (pid N)` for the process that has the socket, if we may look into it."""
    for folder in _processes():
        try:
            if any(_is_socket(link, inode) for link in (folder / "fd").iterdir()):
                return f"{printable((folder / 'comm').read_text(errors='replace').strip())} (pid {folder.name})"
        except OSError:
            continue  # another user's process, or one that has ended
    return None


def _processes() -> Iterator[Path]:
    from pathlib import Path  # not in each shell start-up

    return Path(PROC).glob("[0-9]*")


def _is_socket(link: Path, inode: int) -> bool:
    try:
        return str(link.readlink()) == f"socket:[{inode}]"
    except FileNotFoundError:
        return False


def _daemon(uid: int) -> str | None:
    """The `mayfly serve` of ours that nobody may look into; all of them, where there are several."""
    found = [folder.name for folder in _processes() if uid == os.getuid() and _is_closed_daemon(folder)]
    return f"mayfly serve (pid {' or '.join(sorted(found, key=int))})" if found else None


def _is_closed_daemon(folder: Path) -> bool:
    try:
        is_ours = f"\nUid:\t{os.getuid()}\t" in (folder / "status").read_text(errors="replace")
        words = [word.rpartition("/")[2] for word in (folder / "cmdline").read_text(errors="replace").split("\0")]
    except OSError:
        return False  # the process has ended
    serves = "mayfly" in words and "serve" in words[words.index("mayfly") :]
    return is_ours and serves and folder.name != str(os.getpid()) and not os.access(folder / "fd", os.R_OK)
