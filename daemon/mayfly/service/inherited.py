"""The descriptors that systemd has opened for us, or kept: sd_listen_fds(3), by its protocol and without its library.

They are told apart by what they are, not by their place: their order varies.
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
    """What there was: the port, the control socket, a netlink socket for sock_diag, and what was kept, by name."""

    port: socket.socket | None = None
    control: socket.socket | None = None
    sock_diag: socket.socket | None = None
    kept: dict[str, int] = attrs.field(factory=dict)


def take(environ: MutableMapping[str, str], pid: int, *, first: int = FIRST) -> Inherited:
    """What was handed to process `pid`; the variables are taken out of `environ`, the descriptors from our children."""
    found = Inherited()
    for name, descriptor in _handed(environ, pid, first):
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            continue  # told of, and not there
        os.set_inheritable(descriptor, False)
        if stat.S_ISSOCK(mode):
            _place(found, socket.socket(fileno=descriptor))
        elif stat.S_ISREG(mode):
            found.kept[name] = descriptor
        else:
            os.close(descriptor)
    return found


def _handed(environ: MutableMapping[str, str], pid: int, first: int) -> Iterator[tuple[str, int]]:
    whose, count, names = (environ.pop(f"LISTEN_{what}", "") for what in ("PID", "FDS", "FDNAMES"))
    if whose != str(pid) or not count.isdigit():
        return
    told = names.split(":")
    for index in range(int(count)):
        yield told[index] if index < len(told) else "", first + index


def _place(found: Inherited, sock: socket.socket) -> None:
    """A socket goes where its family says; one too many, or of another kind, is closed."""
    places: dict[tuple[int, int], str] = {
        (socket.AF_INET, socket.SOCK_STREAM): "port",
        (socket.AF_UNIX, socket.SOCK_STREAM): "control",
    }
    if hasattr(socket, "AF_NETLINK"):
        places |= {(socket.AF_NETLINK, kind): "sock_diag" for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW)}
    place = places.get((sock.family, sock.type))
    if place and getattr(found, place) is None:
        setattr(found, place, sock)
    else:
        sock.close()
