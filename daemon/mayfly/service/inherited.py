"""The descriptors that systemd has opened or kept for the daemon: sd_listen_fds(3), without its library.

The descriptors are told apart by their kind: their order varies.
"""

from __future__ import annotations

import os
import socket
import stat

from collections.abc import Iterator, MutableMapping

import attrs


FIRST = 3


@attrs.define(kw_only=True)
class Inherited:
    """The port, the control socket, a netlink socket for sock_diag, and the stored memfds by name."""

    port: socket.socket | None = None
    control: socket.socket | None = None
    sock_diag: socket.socket | None = None
    stored: dict[str, int] = attrs.field(factory=dict)


def take_inherited(environ: MutableMapping[str, str], pid: int, *, first: int = FIRST) -> Inherited:
    """The descriptors for process `pid`. Removes the variables from `environ`, so that no child believes them.

    No child inherits the descriptors. Any that the daemon has no use for are closed.
    """
    found = Inherited()
    for name, descriptor in _listed(environ, pid, first):
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            continue  # listed, but not open
        os.set_inheritable(descriptor, False)
        if stat.S_ISSOCK(mode):
            _assign(found, socket.socket(fileno=descriptor))
        elif stat.S_ISREG(mode):
            found.stored[name] = descriptor
        else:
            os.close(descriptor)
    return found


def _listed(environ: MutableMapping[str, str], pid: int, first: int) -> Iterator[tuple[str, int]]:
    """Name and number of each descriptor in the environment; none if they are for another process."""
    receiver, count, names = (environ.pop(f"LISTEN_{what}", "") for what in ("PID", "FDS", "FDNAMES"))
    if receiver != str(pid) or not count.isdigit():
        return
    given = names.split(":")
    for index in range(int(count)):
        yield given[index] if index < len(given) else "", first + index


def _assign(found: Inherited, sock: socket.socket) -> None:
    """Assign a socket by its family and type. A second one of a kind, and any other socket, is closed."""
    kinds: dict[tuple[int, int], str] = {
        (socket.AF_INET, socket.SOCK_STREAM): "port",
        (socket.AF_UNIX, socket.SOCK_STREAM): "control",
    }
    if hasattr(socket, "AF_NETLINK"):
        kinds |= {(socket.AF_NETLINK, kind): "sock_diag" for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW)}
    name = kinds.get((sock.family, sock.type))
    if name and getattr(found, name) is None:
        setattr(found, name, sock)
    else:
        sock.close()
