"""`mayfly relay`: carries bytes between a port of the loopback interface and the daemon's socket, unchanged.

A container has a loopback interface of its own, and SDKs send a token over plain HTTP to no other place. So the relay
listens there, in a container whose network the others share, and connects to a socket that is mounted.

One self-contained file of the standard library, from Python 3.8 on: an image with Python runs it as
`python3 relay.py`, and nothing is installed. So it imports nothing of mayfly's, and speaks for itself.

A connection has 16 KiB in each direction at most, then its sender waits. No connection ends for being silent: a client
may wait for a human. The end of one direction is passed on in that direction alone.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import ipaddress
import json
import os
import signal
import socket
import sys
import time

from contextlib import suppress
from pathlib import Path


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

CONNECT_SECONDS = 5.0  # a restart of the daemon takes less
# After a client that has waited in vain, the next ones wait this long: boto3 hangs up after 2 s, and tries three times.
SHORT_SECONDS = 1.7
AGAIN_SECONDS = 0.05
CHUNK_BYTES = 16 * 1024
BACKLOG = 128
# Two descriptors each: macOS gives a process 256.
MOST_CONNECTIONS = 100

TAKES_CONFIG = False
FAILED, WRONG_USAGE = 1, 2

# sockaddr_un of each system, less the NUL at its end.
_PATH_BYTES = 107 if sys.platform == "linux" else 103
# The likely cause, by the error of connecting.
_CAUSES = {
    errno.ENOENT: ": has the grant ended, or is its folder not mounted?",
    errno.ECONNREFUSED: ": does the daemon run?",
    errno.EACCES: ": is the folder of mode 0711, and does SELinux let a container in?",
}
# What is said in the daemon's place, with its codes. After a 5xx SDKs try again, as after a connection that broke off,
# so none gives up a daemon that restarts; after a 401 most do not. boto3 shows what its last try was told.
_ENDED = "401 Unauthorized", "GrantEnded", "this grant has ended: 'mayfly grant' makes a new one"
_AWAY = "503 Service Unavailable", "GrantUndelivered", "the grant has ended, or mayfly does not run: mayfly status"


class Refused(Exception):
    """The command line asks for something that cannot be done."""

    def __init__(self, exit_code: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--listen",
        metavar="127.0.0.1:PORT",
        required=True,
        help="where clients connect, on the loopback interface; port 0: a free one, which is printed",
    )
    parser.add_argument(
        "--to",
        metavar="unix:PATH|tcp:HOST:PORT",
        required=True,
        help="where the daemon or a grant's socket is; it need not be there yet",
    )


def run(given: argparse.Namespace) -> int:
    """Relay until SIGTERM; the exit code."""
    try:
        upstream = _upstream(given.to)
        host, port = _listen_address(given.listen)
        listener = _listening(host, port, upstream)
    except Refused as reason:
        _say(f"error: {reason}")
        return reason.exit_code
    with listener:
        asyncio.run(_serve(listener, upstream, tells_port=not port))
    return 0


# What the command line says


class Upstream:
    """Where the daemon is: the path of a socket, or a host, by name or number, and a port."""

    def __init__(self, path: str = "", host: str = "", port: int = 0) -> None:
        self.path, self.host, self.port = path, host, port

    def has_gone(self) -> bool:
        """True if the socket's folder was removed, which a mount still shows: the grant has ended, for good."""
        try:
            return bool(self.path) and Path(self.path).parent.stat().st_nlink == 0
        except OSError:
            return False

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"tcp:{_address(self.host, self.port)}"

    async def connect(self) -> socket.socket:
        """A connection to the first of the addresses that answers; raises OSError."""
        failed = OSError(errno.EHOSTUNREACH, "no address")
        for family, address in await self._addresses():
            sock = socket.socket(family)
            try:
                await _connect(sock, address)
            except OSError as reason:
                sock.close()
                failed = reason
            except asyncio.CancelledError:
                sock.close()
                raise
            else:
                return sock
        raise failed

    async def _addresses(self) -> list[tuple[int, Any]]:
        if self.path:
            return [(socket.AF_UNIX, self.path)]
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        return [(family, address) for family, _, _, _, address in found]


async def _connect(sock: socket.socket, address: Any) -> None:
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        # Connects at once or fails. With a full queue it fails with EAGAIN, which asyncio would take for success.
        sock.connect(address)
    else:
        await asyncio.get_running_loop().sock_connect(sock, address)


def _listen_address(text: str) -> tuple[str, int]:
    """The host and the port of `127.0.0.1:PORT`, `[::1]:PORT` or `localhost:PORT`."""
    host, port = _host_and_port(text, "--listen", "127.0.0.1:PORT")
    host = "127.0.0.1" if host == "localhost" else host
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return host, port
    raise Refused(WRONG_USAGE, f"--listen {text}: a relay listens on the loopback interface alone")


def _upstream(text: str) -> Upstream:
    kind, _, rest = text.partition(":")
    if kind == "tcp":
        host, port = _host_and_port(rest, "--to", "tcp:HOST:PORT")
        if not port:
            raise Refused(WRONG_USAGE, f"--to {text}: no program listens on port 0")
        return Upstream(host=host, port=port)
    if kind != "unix" or not rest:
        raise Refused(WRONG_USAGE, f"--to {text}: expected unix:PATH or tcp:HOST:PORT")
    if len(os.fsencode(rest)) > _PATH_BYTES:
        raise Refused(WRONG_USAGE, f"--to {text}: a socket's path has {_PATH_BYTES} bytes at most")
    with suppress(OSError):
        # Docker makes a folder at the path of a mount that is missing.
        if Path(rest).exists() and not Path(rest).is_socket():
            raise Refused(WRONG_USAGE, f"--to {text}: {rest} is no socket")
    return Upstream(rest)


def _host_and_port(text: str, option: str, expected: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not (host and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise Refused(WRONG_USAGE, f"{option} {text}: expected {expected}, with a port up to 65535")
    return host, int(port)


def _listening(host: str, port: int, upstream: Upstream) -> socket.socket:
    """The socket for clients; raises Refused if it cannot be had."""
    if port and port == upstream.port and upstream.host in {host, "localhost"}:
        raise Refused(WRONG_USAGE, f"--to {upstream}: the relay would connect to itself")
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as reason:
        sock.close()
        what = "another program listens there" if reason.errno == errno.EADDRINUSE else reason.strerror
        raise Refused(FAILED, f"cannot listen on {_address(host, port)}: {what}") from None
    return sock


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# The relay


async def _serve(listener: socket.socket, upstream: Upstream, *, tells_port: bool) -> None:
    """Take connections until SIGTERM, then cut those that are left."""
    asked_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_end.set)
    address = _address(*listener.getsockname()[:2])
    if tells_port:
        print(address, flush=True)
    _say(f"relaying {address} to {upstream}")
    accepting = asyncio.ensure_future(_Relay(listener, upstream).accept())
    ending = asyncio.ensure_future(asked_to_end.wait())
    await asyncio.wait({accepting, ending}, return_when=asyncio.FIRST_COMPLETED)
    if accepting.done():
        accepting.result()
    # asyncio.run cancels the tasks that still run, and these close their sockets.


class _Relay:
    """The connections of one listener."""

    def __init__(self, listener: socket.socket, upstream: Upstream) -> None:
        self._listener = listener
        self._upstream = upstream
        self._connections: set[asyncio.Task[None]] = set()
        # The daemon has ended these, and their clients have not: the oldest makes room for a new one.
        self._half_ended: list[asyncio.Task[None]] = []
        self._in_vain_at = -CONNECT_SECONDS

    async def accept(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._listener)
            except OSError as reason:
                # The error of one client that has already gone, or a shortage of descriptors that will pass.
                _say(f"error: a connection was not taken: {reason.strerror}")
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            self._take(client)

    def _take(self, client: socket.socket) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            if not self._half_ended:
                _say(f"error: a connection was closed: {MOST_CONNECTIONS} are open already")
                client.close()
                return
            self._half_ended[0].cancel()
            self._drop(self._half_ended[0])
        task = asyncio.ensure_future(self._relayed(client))
        self._connections.add(task)
        task.add_done_callback(self._drop)

    def _drop(self, connection: asyncio.Task[None]) -> None:
        self._connections.discard(connection)
        with suppress(ValueError):
            self._half_ended.remove(connection)

    async def _relayed(self, client: socket.socket) -> None:
        """One client's connection, from its beginning to its end."""
        with client:
            is_short = time.monotonic() - self._in_vain_at < CONNECT_SECONDS
            try:
                daemon = await _connected(self._upstream, SHORT_SECONDS if is_short else CONNECT_SECONDS)
            except OSError as reason:
                self._in_vain_at = time.monotonic()
                cause = _CAUSES.get(reason.errno or 0, "")
                _say(f"error: cannot connect to {self._upstream}: {reason.strerror}{cause}")
                with suppress(OSError, asyncio.TimeoutError):
                    answer = _ENDED if self._upstream.has_gone() else _AWAY
                    await asyncio.wait_for(_refuse(client, *answer), SHORT_SECONDS)
                return
            with daemon:
                _prepare(client)
                _prepare(daemon)
                await self._both_ways(client, daemon)

    async def _both_ways(self, client: socket.socket, daemon: socket.socket) -> None:
        up = asyncio.ensure_future(_carry(client, daemon))
        down = asyncio.ensure_future(_carry(daemon, client))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            own = asyncio.current_task()
            if own and not up.done():
                self._half_ended.append(own)
            # If one side cannot be read any more, it is gone, and the other side gets nothing more.
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            # The sockets are closed next: nothing may look at them then.
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)


async def _connected(upstream: Upstream, seconds: float) -> socket.socket:
    """A connection to the daemon, which may be starting; raises OSError after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        connecting = asyncio.ensure_future(upstream.connect())
        try:
            await asyncio.wait({connecting}, timeout=until - time.monotonic())
        finally:
            connecting.cancel()
        if not connecting.done():
            raise OSError(errno.ETIMEDOUT, "it does not answer")
        try:
            return connecting.result()
        except OSError:
            if time.monotonic() + AGAIN_SECONDS >= until or upstream.has_gone():
                raise
        await asyncio.sleep(AGAIN_SECONDS)


async def _refuse(client: socket.socket, status: str, code: str, message: str) -> None:
    """Answer the client's request, which must have been read: a socket that is closed before takes the answer along."""
    loop, head = asyncio.get_running_loop(), b""
    while b"\r\n\r\n" not in head and len(head) < CHUNK_BYTES:
        data = await loop.sock_recv(client, CHUNK_BYTES)
        if not data:
            return
        head += data
    body = json.dumps({"code": code, "message": message})
    kind = f"Content-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: {len(body)}"
    await loop.sock_sendall(client, f"HTTP/1.1 {status}\r\n{kind}\r\nConnection: close\r\n\r\n{body}".encode())


def _prepare(sock: socket.socket) -> None:
    """Send bytes at once, and notice a machine that is gone."""
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def _carry(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes in one direction to its end, and pass the end on. Raises OSError if the source is gone.

    A target that takes no more bytes may still send some, so its error ends this direction alone.
    """
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, CHUNK_BYTES):
        try:
            await loop.sock_sendall(target, data)
        except OSError:
            return
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _say(text: str) -> None:
    """A line on standard error, if that is open; no character of it steers the terminal."""
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.write("mayfly: " + line.encode("ascii", "backslashreplace").decode() + "\n")
            sys.stderr.flush()


if __name__ == "__main__":
    alone = argparse.ArgumentParser(prog="relay.py", description="Carry bytes to mayfly's daemon, unchanged.")
    arguments(alone)
    with suppress(KeyboardInterrupt):
        sys.exit(run(alone.parse_args()))
    sys.exit(130)
