"""Who has a port: the program, its process and its user, as far as this platform lets us see.

Linux lists the listening sockets with their owners and inodes in /proc/net/tcp and tcp6 (proc_net_tcp.rst of the
kernel's documentation), and their processes by the links in /proc/PID/fd, which only that user and root may read, and
of a daemon of ours, which lets nobody look into it, root alone. Elsewhere nothing is known, nor said.
"""

from __future__ import annotations

import os
import sys

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from mayfly.shared.text import printable
from mayfly.shared.users import user_name


PROC = Path("/proc")

_LISTEN = "0A"

# Whoever listens on one of these keeps us from 127.0.0.1; the most particular is named.
_IN_THE_WAY = ("127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::ffff:0.0.0.0", "::")  # noqa: S104 - not listened on


def holder(port: int) -> str | None:
    """`PROGRAM (pid N) of USER` for whoever listens at 127.0.0.1:`port`, or as much of it as is known, or None."""
    listening = dict(_listening())
    for host in _IN_THE_WAY:
        if found := listening.get(f"{_in_memory(host)}:{port:04X}"):
            uid, inode = found
            return f"{_process(inode) or _daemon(uid) or 'a process'} of {user_name(uid)}"
    return None


def _listening() -> Iterator[tuple[str, tuple[int, str]]]:
    """Owner and inode of every listening socket, by its address in the kernel's spelling."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, _, _, _, uid, _, inode = line.split()[:10]
            if state == _LISTEN:
                yield local, (int(uid), inode)


def _in_memory(host: str) -> str:
    """An address as the kernel prints it: word by word, each as it is in memory."""
    packed = ip_address(host).packed
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def _process(inode: str) -> str | None:
    for folder in PROC.glob("[0-9]*"):
        try:
            if any(_is_socket(link, inode) for link in (folder / "fd").iterdir()):
                return f"{_program(folder)} (pid {folder.name})"
        except OSError:
            continue  # another user's, or gone
    return None


def _daemon(uid: int) -> str | None:
    """The `mayfly serve` of our own that cannot be looked into; where there are several, it is one of them."""
    found = [folder.name for folder in PROC.glob("[0-9]*") if uid == os.getuid() and _is_closed_daemon(folder)]
    return f"mayfly serve (pid {' or '.join(sorted(found, key=int))})" if found else None


def _is_closed_daemon(folder: Path) -> bool:
    try:
        is_ours = f"\nUid:\t{os.getuid()}\t" in (folder / "status").read_text(errors="replace")
        words = [Path(word).name for word in (folder / "cmdline").read_text(errors="replace").split("\0")]
    except OSError:
        return False  # gone
    serves = "mayfly" in words and "serve" in words[words.index("mayfly") :]
    return is_ours and serves and folder.name != str(os.getpid()) and not os.access(folder / "fd", os.R_OK)


def _is_socket(link: Path, inode: str) -> bool:
    try:
        return str(link.readlink()) == f"socket:[{inode}]"
    except FileNotFoundError:
        return False


def _program(folder: Path) -> str:
    """A program's name is whatever it says: for a terminal, without what could steer one."""
    name = (folder / "comm").read_text(errors="replace").strip()
    return printable(name)
