"""A load generator that is not the bottleneck: raw sockets, one request ahead on each of many connections."""

from __future__ import annotations

import asyncio
import selectors
import socket
import time

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median, quantiles
from typing import NamedTuple, cast

from tests.bench.proc import cpu_seconds
from tests.support.world import World


CONNECTIONS = 64
# As `wrk -c 8`.
AT_ONCE = 8


class Load:
    """Keep-alive connections to one server, which answers every request with the same number of bytes."""

    def __init__(self, connections: Sequence[socket.socket], request: bytes) -> None:
        self._connections = connections
        self._request = request
        self._length = self._first_answer()

    def requests_per_second(self, seconds: float) -> float:
        """One round after the other for so long."""
        start = time.perf_counter()
        rounds = 0
        while (elapsed := time.perf_counter() - start) < seconds:
            self._round()
            rounds += 1
        return rounds * len(self._connections) / elapsed

    def send(self, requests: int) -> None:
        """So many requests, or a few more."""
        for _ in range(-(-requests // len(self._connections))):
            self._round()

    def latencies(self, requests: int) -> list[float]:
        """Seconds for each of so many requests, one after the other on one connection."""
        return [self._one() for _ in range(requests)]

    def until_refused(self) -> tuple[float, int]:
        """Seconds until an answer is a 401, asked one after the other; and how many were answered before."""
        start, connection, answered = time.perf_counter(), self._connections[0], 0
        while True:
            connection.send(self._request)
            if (connection.recv(65536) or bytes(_closed())).startswith(b"HTTP/1.1 401 "):
                return time.perf_counter() - start, answered
            answered += 1

    def latencies_at_once(self, seconds: float) -> list[float]:
        """Seconds for each request, one ahead on every connection all the time."""
        started, found, selector = {}, [], selectors.DefaultSelector()
        left = dict.fromkeys(self._connections, self._length)
        for connection in self._connections:
            selector.register(connection, selectors.EVENT_READ)
            started[connection] = time.perf_counter()
            connection.send(self._request)
        end = time.perf_counter() + seconds
        while left:
            for key, _ in selector.select():
                connection = cast(socket.socket, key.fileobj)
                left[connection] -= len(connection.recv(65536)) or _closed()
                if left[connection] > 0:
                    continue
                now = time.perf_counter()
                found.append(now - started[connection])
                if now > end:
                    selector.unregister(connection)
                    del left[connection]
                    continue
                left[connection], started[connection] = self._length, now
                connection.send(self._request)
        selector.close()
        return found

    def _round(self) -> None:
        request, length = self._request, self._length
        for connection in self._connections:
            connection.send(request)
        for connection in self._connections:
            left = length
            while left > 0:
                left -= len(connection.recv(left)) or _closed()

    def _one(self) -> float:
        start = time.perf_counter()
        connection, left = self._connections[0], self._length
        connection.send(self._request)
        while left > 0:
            left -= len(connection.recv(left)) or _closed()
        return time.perf_counter() - start

    def _first_answer(self) -> int:
        connection = self._connections[0]
        connection.send(self._request)
        answer = b""
        while b"\r\n\r\n" not in answer or len(answer) < _whole(answer):
            answer += connection.recv(65536) or bytes(_closed())
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(answer)
        return len(answer)


def _whole(answer: bytes) -> int:
    head, _, _ = answer.partition(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(head) + 4 + int(lengths[0])


def _closed() -> int:
    raise ConnectionError("the server has closed a connection under load")


@contextmanager
def load(port: int, request: bytes, connections: int = CONNECTIONS) -> Iterator[Load]:
    """Connections for as long as the block lasts."""
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 30)) for _ in range(connections)]
        for connection in opened:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Load(opened, request)


def request_for(world: World, profile: str, token: str = "") -> bytes:
    """A request as an SDK sends it, with the profile's own token unless another is given."""
    lines = (
        f"GET /credentials/{profile} HTTP/1.1",
        f"Host: 127.0.0.1:{world.port}",
        "User-Agent: Boto3/1.43.0 md/Botocore#1.43.0",
        "Accept: */*",
        "Accept-Encoding: gzip, deflate",
        f"Authorization: {token or world.token(profile)}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


async def settled(world: World, profile: str) -> None:
    """Credentials are there, and the daemon's check after a second fetch by one process is over."""
    await world.get(f"/credentials/{profile}")
    await asyncio.sleep(2.2)
    await world.get(f"/credentials/{profile}")
    await asyncio.sleep(1.5)


class Rate(NamedTuple):
    """Requests a second of the clock, and of the server's own CPU, which a busy machine disturbs less; and the p99."""

    by_clock: float
    by_cpu: float
    p99_milliseconds: float


async def by_turns(ports: Mapping[int, int], request: bytes, *, rounds: int, seconds: float) -> list[Rate]:
    """What each server does, by its pid, measured by turns: medians.

    Connections are new in each round, and on each of them one request is made before the round begins.
    """
    found: list[list[Rate]] = [[] for _ in ports]
    for _ in range(rounds):
        for rates, (pid, port) in zip(found, ports.items(), strict=True):
            with load(port, request, AT_ONCE) as one:
                rates.append(await asyncio.to_thread(_rate, one, pid, seconds))
    return [Rate(*(median(values) for values in zip(*rates, strict=True))) for rates in found]


def _rate(one: Load, pid: int, seconds: float) -> Rate:
    one.send(AT_ONCE)
    before, start = cpu_seconds(pid), time.perf_counter()
    latencies = one.latencies_at_once(seconds)
    by_clock = len(latencies) / (time.perf_counter() - start)
    by_cpu = len(latencies) / (cpu_seconds(pid) - before)
    return Rate(by_clock, by_cpu, quantiles(latencies, n=100)[98] * 1000)
