"""Who has a port: the program, its process and its user, as far as this platform lets us see.

Linux tells the socket's owner by sock_diag, and its process by the links in /proc/PID/fd, which only that user and root
may read. Elsewhere nothing is known, nor said.
"""

from __future__ import annotations

from pathlib import Path

from mayfly.cli import squatters
from mayfly.paths import user_name
from mayfly.peer import Peer, sock_diag


Address = tuple[str, int]


def holder(address: Address) -> str | None:
    """`PROGRAM (pid N) of USER` for whoever listens on `address`, or as much of it as can be known; None if nothing."""
    found = _listener(address)
    if found is None:
        uid = squatters.owner(address[1])
        return None if uid is None else f"a process of {user_name(uid)}"
    return f"{_process(found.inode) or 'a process'} of {user_name(found.uid)}"


def _listener(address: Address) -> Peer | None:
    kernel = sock_diag()
    if kernel is None:
        return None
    try:
        # A socket that is connected to port 0 cannot be: so it is the listening one that is found.
        return kernel.peer(address, (address[0], 0))
    except OSError:
        return None
    finally:
        kernel.close()


def _process(inode: int) -> str | None:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(_is_socket(link, inode) for link in (folder / "fd").iterdir()):
                return f"{_program(folder)} (pid {folder.name})"
        except OSError:
            continue  # another user's, or gone
    return None


def _is_socket(link: Path, inode: int) -> bool:
    try:
        return str(link.readlink()) == f"socket:[{inode}]"
    except FileNotFoundError:
        return False


def _program(folder: Path) -> str:
    """A program's name is whatever it says: for a terminal, without what could steer one."""
    name = (folder / "comm").read_text(errors="replace").strip()
    return "".join(letter if letter.isprintable() else "?" for letter in name)
