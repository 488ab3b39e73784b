"""The owner of a TCP socket on this machine: the kernel's answer by sock_diag(7).

Linux finds the client's own socket by the two addresses of its connection, and names its owner. It also lists all
sockets of a port; since 6.8 those that are bound and do not listen, too. macOS has no such questions for an ordinary
program: there the token alone protects the endpoint.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

from collections.abc import Iterator
from typing import NamedTuple


# From linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLM_F_DUMP = 0x300
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_SOCKET_ID = struct.Struct("!HH4s12x4s12x")
_MAPPED_ID = struct.Struct("!HH10x2s4s10x2s4s")
_V4_IN_V6 = b"\xff\xff"
_ANY_INTERFACE_AND_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_OWNER = struct.Struct("=II")
_PLACES_OFFSET = _HEADER.size + 4
_OWNER_OFFSET = _PLACES_OFFSET + 48 + 12
_ALL_STATES = 0xFFFFFFFF
# State and family of a socket, its port, its address.
_SOCKET = struct.Struct("!BB2xH2x16s")
_CLOSE, _LISTEN = 7, 10
_ATTRIBUTE = struct.Struct("=HH")
_SKV6ONLY = 11
# The addresses that 127.0.0.1 belongs to, by family.
_OURS = {
    socket.AF_INET: (bytes((127, 0, 0, 1)) + bytes(12), bytes(16)),
    socket.AF_INET6: tuple(bytes(10) + _V4_IN_V6 + address for address in (bytes((127, 0, 0, 1)), bytes(4))),
}
ANSWER_SECONDS = 0.5


class SocketOwner(NamedTuple):
    """The user who owns a socket, and the socket's inode, by which its process can be found."""

    uid: int
    inode: int


class Holder(NamedTuple):
    """A socket that a process has on a port: one that listens, one that is only bound, or else a connection."""

    owner: SocketOwner
    listens: bool
    is_only_bound: bool


Address = tuple[str, int]


class SockDiagMissing(Exception):
    """The kernel does not say whose a connection is."""

    def __init__(self) -> None:
        super().__init__("this kernel does not tell whose a connection is")


class SockDiag:
    """Asks the kernel about TCP sockets; `descriptor` may be a netlink socket of another network namespace."""

    def __init__(self, descriptor: int | None = None) -> None:
        kind = (socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG)
        self._socket = socket.socket(*kind, fileno=descriptor)
        self._socket.settimeout(ANSWER_SECONDS)
        # A late answer, to us or to a daemon that was killed, must not be taken for the answer to the next question.
        self._asked = int.from_bytes(os.urandom(4))

    def peer(self, client: Address, ours: Address) -> SocketOwner | None:
        """The owner of the socket at `client` that is connected to `ours`; None if it is gone, or being closed."""
        places = _places(client, ours)
        answer = self._ask(places)
        # Without such a connection the kernel returns the socket that listens at the client's port.
        return _owner(answer) if answer.startswith((places, _mapped(client, ours)), _PLACES_OFFSET) else None

    def listener(self, port: int) -> SocketOwner | None:
        """The owner of the socket that a connection to 127.0.0.1:`port` would reach; None if no process listens."""
        # A connection to port 0 cannot exist, so sock_diag returns the listening socket instead.
        return _owner(self._ask(_places(("127.0.0.1", port), ("127.0.0.1", 0))))

    def holders(self, port: int) -> list[Holder]:
        """The sockets that processes have on 127.0.0.1:`port`, or on addresses that this one belongs to.

        Before Linux 6.8, sockets that are only bound are missing: see `lists_bound`. Connections that close without a
        process are nobody's.
        """
        found = (_holder(message, port) for family in _OURS for message in self._dump(family, port))
        return [holder for holder in found if holder]

    def lists_bound(self) -> bool:
        """True if `holders` lists sockets that are bound and do not listen."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return bool(self.holders(probe.getsockname()[1]))

    def prove(self, port: int) -> None:
        """Raise SockDiagMissing unless the kernel names the owner of `port`, on which this process listens."""
        try:
            known = self.listener(port)
        except OSError:
            known = None
        if known is None:
            raise SockDiagMissing

    def _ask(self, places: bytes) -> bytes:
        self._asked = (self._asked + 1) % 2**32
        self._socket.send(_question(places, self._asked))
        while True:
            answer = self._socket.recv(4096)
            if _HEADER.unpack_from(answer)[3] == self._asked:
                return answer

    def _dump(self, family: int, port: int) -> Iterator[bytes]:
        """The kernel's messages about all sockets of the family; it does not filter all kinds of them by the port."""
        self._asked = (self._asked + 1) % 2**32
        places = _SOCKET_ID.pack(port, 0, bytes(4), bytes(4))
        self._socket.send(_question(places, self._asked, family=family, flags=_NLM_F_REQUEST | _NLM_F_DUMP))
        while True:
            for number, kind, message in _messages(self._socket.recv(65536)):
                if number != self._asked:
                    continue
                if kind in (_NLMSG_DONE, _NLMSG_ERROR):
                    return
                yield message

    def close(self) -> None:
        """Give the descriptor back."""
        self._socket.close()


def _owner(answer: bytes) -> SocketOwner | None:
    if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY or len(answer) < _OWNER_OFFSET + _OWNER.size:
        return None
    uid, inode = _OWNER.unpack_from(answer, _OWNER_OFFSET)
    # A socket without an owner has uid 0 and inode 0: nobody's, not root's.
    return SocketOwner(uid, inode) if inode else None


def _places(client: Address, ours: Address) -> bytes:
    """A connection as the kernel names it, in question and answer, seen from the client."""
    return _SOCKET_ID.pack(client[1], ours[1], socket.inet_aton(client[0]), socket.inet_aton(ours[0]))


def _mapped(client: Address, ours: Address) -> bytes:
    """The same in the kernel's answer, where the client's socket is one for IPv6 and IPv4 (Java's, .NET's)."""
    theirs, here = socket.inet_aton(client[0]), socket.inet_aton(ours[0])
    return _MAPPED_ID.pack(client[1], ours[1], _V4_IN_V6, theirs, _V4_IN_V6, here)


def _messages(block: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number, type and the whole of each message in what was read at once."""
    start = 0
    while start + _HEADER.size <= len(block):
        length, kind, _, number, _ = _HEADER.unpack_from(block, start)
        yield number, kind, block[start : start + length]
        # Each begins at a multiple of 4.
        start += max(_HEADER.size, length + 3 & ~3)


def _holder(message: bytes, port: int) -> Holder | None:
    """The socket that a message is about, if a process has it on that port of 127.0.0.1; None for any other."""
    owner = _owner(message)
    if owner is None:
        return None
    family, state, its_port, address = _SOCKET.unpack_from(message, _HEADER.size)
    takes_both = family == socket.AF_INET6 and not any(address) and not _is_v6_only(message)
    if its_port != port or not (takes_both or address in _OURS[family]):
        return None
    return Holder(owner, listens=state == _LISTEN, is_only_bound=state == _CLOSE)


def _is_v6_only(message: bytes) -> bool:
    """True if the kernel says so of a socket for IPv6 that listens or is only bound."""
    start = _OWNER_OFFSET + _OWNER.size
    while start + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, start)
        if kind == _SKV6ONLY:
            return message[start + _ATTRIBUTE.size] != 0
        start += max(_ATTRIBUTE.size, length + 3 & ~3)
    return False


def _question(places: bytes, number: int, *, family: int = socket.AF_INET, flags: int = _NLM_F_REQUEST) -> bytes:
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES) + places + _ANY_INTERFACE_AND_COOKIE
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, flags, number, 0) + body


def sock_diag(outside: socket.socket | None = None) -> SockDiag | None:
    """The kernel's sock_diag, or None on a platform without it; raises SockDiagMissing on a Linux without it.

    `outside` is a netlink socket from outside of a seal, which forbids to open one. It is asked, and stays open.
    """
    if outside is not None:
        return SockDiag(os.dup(outside.fileno()))
    if sys.platform != "linux":
        return None
    try:
        return SockDiag()
    except OSError:
        raise SockDiagMissing from None
