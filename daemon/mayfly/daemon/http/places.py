"""The places for connections, which all listeners of the daemon share.

The descriptors of a process are limited, and a flood on one listener must leave some to the other, to exchanges and to
files. So there is one budget. If it is used up, a connection is closed to make room for a new one (eviction.py).
If time must pass before one may go, the new one waits for it. If none will go, the new one is closed, and so is one of
a process that has its share of the control socket: to refuse it costs less than to let a flood replace itself.

The control socket has a reserve. Half of it is for commands that wait for credentials, and the other half for short
ones: clients of the endpoint can take neither, and commands that wait cannot take the half of the short ones.

A listener that is opened later, as a grant's socket, has a limit of its own, and its own descriptor takes a place.
"""

from __future__ import annotations

import time

from collections import deque
from collections.abc import Callable
from enum import Enum

from mayfly.daemon.http.eviction import Guest, Listener, Stage, first, grouped, has_its_share, is_one_soon_late, may_go


CONNECTIONS = 2048
# To look at thousands of connections takes milliseconds. So the next ones that go are chosen together, for a moment.
CHOSEN_TOGETHER = 16
CHOSEN_SECONDS = 0.01


class Room(Enum):
    """Whether there is a place for one more connection."""

    FREE = "there is one"
    MADE = "another connection has been closed"
    LATER = "not yet: a connection may go in a moment"
    NONE = "every other connection has to stay, or this process has its share"


class Places:
    """`total` places; `reserved` of them are kept for the listener that has a reserve."""

    def __init__(
        self, total: int = CONNECTIONS, reserved: int = 0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._reserved = reserved
        self._clock = clock
        self._listeners: list[Listener] = []
        self._chosen: deque[tuple[Listener, Guest, Stage]] = deque()
        self._chosen_of: list[Listener] = []
        self._chosen_until_seconds = 0.0

    def add(self, listener: Listener) -> None:
        """Share the places with one more listener."""
        self._listeners.append(listener)

    def remove(self, listener: Listener) -> None:
        """The listener has closed, and all of its connections."""
        self._listeners.remove(listener)

    def make_room(self, listener: Listener, pid: int) -> Room:
        """Make room for one more connection of `listener`, by closing another if need be; 0 is an unknown process."""
        taken = sum(each.count + (each.most is not None) for each in self._listeners)
        is_full = listener.count >= self._most(listener)
        if not is_full and taken < self._total:
            return Room.FREE
        if has_its_share(listener, pid):
            return Room.NONE
        # A listener that has all the places that it may have needs one of its own.
        crowd = [listener] if is_full else self._listeners
        if self._drop_chosen(crowd):
            return Room.MADE
        groups = grouped(crowd)
        if found := may_go(groups, self._reserved // 2):
            group, guests = first(found, self._reserved // 2)
            self._chosen.extend((group.listener, guest, group.stage) for guest in guests[:CHOSEN_TOGETHER])
            self._chosen_of = crowd
            self._chosen_until_seconds = self._clock() + CHOSEN_SECONDS
            return Room.MADE if self._drop_chosen(crowd) else Room.LATER
        return Room.LATER if is_one_soon_late(groups) else Room.NONE

    def _most(self, listener: Listener) -> int:
        unreserved = self._total - (0 if listener.has_reserve else self._reserved)
        return unreserved if listener.most is None else min(listener.most, unreserved)

    def _drop_chosen(self, crowd: list[Listener]) -> bool:
        """Close one of the connections of `crowd` that were chosen a moment ago; False if there is none any more."""
        if self._chosen_of != crowd or self._clock() >= self._chosen_until_seconds:
            self._chosen.clear()
        while self._chosen:
            listener, guest, stage = self._chosen.popleft()
            if guest.stage is stage and listener.drop(guest):
                return True
        return False
