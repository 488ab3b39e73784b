"""The places for connections, which all listeners of the daemon share, and which connection goes if none is free.

The descriptors of a process are limited, and a flood on one listener must leave some to the other, to exchanges and to
files. So there is one budget. If it is used up, a new connection takes the place of another, in this order:

1. the oldest listener to events (`GET /events`), which may connect again at any time;
2. the oldest connection whose client sends requests without reading the answers, and waits for no credentials;
3. the oldest connection that has been idle for a while: its request is not complete, or it is between two requests;
4. a connection that waits for an answer, but only on the control socket, where no token is needed to make a request
   wait, and only beyond the places that are reserved for it: the oldest of the process that has the most of them;
5. the oldest connection that has just become idle.

If there is none of these, the new connection is closed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol


CONNECTIONS = 2048
# An honest client sends its request as soon as it is connected.
JUST_IDLE_SECONDS = 0.1


class Guest(Protocol):
    """A connection, as far as its place is concerned; `pid` is the process at the other end, 0 if it is unknown."""

    pid: int

    @property
    def idle_seconds(self) -> float | None:
        """Seconds since the connection became idle; None if an answer is due."""

    @property
    def is_stream(self) -> bool:
        """True if its answer goes on until the client leaves."""

    @property
    def piles_up(self) -> bool:
        """True if the client sends requests without reading the answers, and waits for no credentials."""


class Listener(Protocol):
    """A server, as far as places are concerned."""

    has_reserve: bool

    @property
    def guests(self) -> Iterable[Guest]:
        """The open connections, oldest first."""

    @property
    def count(self) -> int:
        """The number of open connections."""

    def drop(self, guest: Guest) -> None:
        """Close this connection, and do not count it any more."""


class Places:
    """`total` places; `reserved` of them are kept for the listener that has a reserve."""

    def __init__(self, total: int = CONNECTIONS, reserved: int = 0) -> None:
        self._total = total
        self._reserved = reserved
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """Share the places with one more listener."""
        self._listeners.append(listener)

    def is_free(self, listener: Listener) -> bool:
        """True if there is a place for one more connection of `listener`."""
        return not self._is_full(listener) and sum(each.count for each in self._listeners) < self._total

    def make_room(self, listener: Listener) -> bool:
        """Close the connection that has to go for a new one of `listener`; False if every other has to stay."""
        # A listener that has all the places that it may have needs one of its own.
        others = [] if self._is_full(listener) else [each for each in self._listeners if each is not listener]
        for each, guest in self._candidates([listener, *others], listener):
            each.drop(guest)
            return True
        return False

    def _candidates(self, crowd: Sequence[Listener], newcomer: Listener) -> Iterator[tuple[Listener, Guest]]:
        yield from ((each, guest) for each in crowd for guest in each.guests if guest.is_stream)
        yield from ((each, guest) for each in crowd for guest in each.guests if guest.piles_up)
        yield from _idle(crowd, JUST_IDLE_SECONDS)
        for each in crowd:
            if each.has_reserve and each.count + (each is newcomer) > self._reserved:
                waiting = [guest for guest in each.guests if guest.idle_seconds is None]
                by_process = Counter(guest.pid for guest in waiting)
                yield from ((each, guest) for guest in sorted(waiting, key=lambda guest: -by_process[guest.pid]))
        yield from _idle(crowd, 0)

    def _is_full(self, listener: Listener) -> bool:
        return listener.count >= self._total - (0 if listener.has_reserve else self._reserved)


def _idle(crowd: Sequence[Listener], seconds: float) -> Iterator[tuple[Listener, Guest]]:
    """The connections that have been idle for so long."""
    for each in crowd:
        for guest in each.guests:
            idle_seconds = guest.idle_seconds
            if idle_seconds is not None and idle_seconds >= seconds:
                yield each, guest
