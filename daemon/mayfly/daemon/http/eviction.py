"""Chooses the connection that is closed to make room for a new one, if all places are taken. The order:

1. a listener to events (`GET /events`), which may connect again at any time;
2. a connection whose client sends requests without reading the answers, and waits for no credentials;
3. a connection between two requests;
4. a connection whose time is up: a request is not complete after `GRACE_SECONDS`; or, on the control socket alone,
   where no token is needed to make a request wait, a command waits for credentials, or a short one is not answered
   after `BUSY_SECONDS`.

Within one of these classes, the first to lose a connection is the process with the most connections to the control
socket, if it has more than `FEW`; it gets no grace either. Then come the endpoint's clients, whose processes are not
known. Then the commands that wait for the profile for which most commands wait. Then the oldest connection.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from enum import IntEnum, auto
from operator import attrgetter
from typing import NamedTuple, Protocol


# An honest client sends its request as soon as it is connected, but a busy machine may hold it up in between.
GRACE_SECONDS = 0.2
# A short command, such as `mayfly status`, is answered within milliseconds.
BUSY_SECONDS = 1.0
# No honest process has more connections to the control socket, except `mayfly login` for more profiles.
FEW = 8

_pid = attrgetter("pid")


class Stage(IntEnum):
    """The stages of a connection, in the order in which connections are closed to make room."""

    STREAMS = auto()  # its answer goes on until the client leaves
    PILES_UP = auto()  # its client sends requests without reading the answers, and waits for no credentials
    RESTS = auto()  # it is between two requests, or about to close
    WAITS = auto()  # an answer is due that must wait for credentials
    ARRIVES = auto()  # its request is not complete
    IS_BUSY = auto()  # any other answer is due


class Guest(Protocol):
    """A connection, as far as its place is concerned; `pid` is the process at the other end, 0 if it is unknown."""

    pid: int
    # The profile whose credentials it waits for, "" if it waits for none.
    awaits: str

    @property
    def stage(self) -> Stage:
        """The stage of the connection now."""

    @property
    def seconds(self) -> float:
        """Seconds since the connection was made, or since its last answer."""


class Listener(Protocol):
    """A server, as far as places are concerned; only the control socket `has_reserve`.

    `most`: the connections that a grant's socket may have; None for the daemon's own.
    """

    has_reserve: bool
    most: int | None

    @property
    def guests(self) -> Iterable[Guest]:
        """The open connections, oldest first."""

    @property
    def count(self) -> int:
        """The number of open connections, and of those about to be made."""

    def drop(self, guest: Guest) -> bool:
        """Close this connection, and do not count it any more; False if it has gone, or has just sent something."""


class Group(NamedTuple):
    """The key of connections that are closed one after the other. `crowd`: how many their process has, 0 if few."""

    listener: Listener
    crowd: int
    pid: int
    stage: Stage
    awaits: str


Groups = dict[Group, list[Guest]]


def has_its_share(listener: Listener, pid: int) -> bool:
    """True if a process has more than `FEW` connections, and with one more as many as the process that has the most."""
    if not (pid and listener.has_reserve):
        return False
    sizes = Counter(map(_pid, listener.guests))
    return sizes[pid] > FEW and sizes[pid] + 1 >= max(sizes.values())


def grouped(listeners: Iterable[Listener]) -> Groups:
    """All connections of these listeners, oldest first in each group."""
    found: defaultdict[tuple[Listener, int, int, Stage, str], list[Guest]] = defaultdict(list)
    for listener in listeners:
        guests = list(listener.guests)
        sizes = Counter(map(_pid, guests)) if listener.has_reserve else {}
        crowds = {pid: size for pid, size in sizes.items() if pid and size > FEW}
        for guest in guests:
            pid = guest.pid if guest.pid in crowds else 0
            found[listener, crowds.get(pid, 0), pid, guest.stage, guest.awaits].append(guest)
    return {Group(*key): guests for key, guests in found.items()}


def may_go(groups: Groups, waits_reserved: int) -> Groups:
    """The connections that may be closed. `waits_reserved` commands may wait for credentials undisturbed."""
    for stage in (Stage.STREAMS, Stage.PILES_UP, Stage.RESTS):
        if found := {group: guests for group, guests in groups.items() if group.stage is stage}:
            return found
    too_many_wait = _waiting(groups) > waits_reserved
    late = {group: _late(group, guests, too_many_wait=too_many_wait) for group, guests in groups.items()}
    return {group: guests for group, guests in late.items() if guests}


def is_one_soon_late(groups: Groups) -> bool:
    """True if one of these connections may be closed in a moment: its time will be up, or it will have its answer."""
    return any(group.stage in (Stage.ARRIVES, Stage.IS_BUSY) for group in groups)


def first(groups: Groups, waits_reserved: int) -> tuple[Group, Sequence[Guest]]:
    """The first group of those that may be closed, and its connections in the order in which they are closed."""
    by_profile: Counter[str] = Counter()
    for group, guests in groups.items():
        by_profile[group.awaits] += len(guests)

    def order(group: Group) -> tuple[int, bool, Stage, int]:
        return -group.crowd, group.listener.has_reserve, group.stage, -by_profile[group.awaits]

    chosen = min(groups, key=order)
    is_command = _is_command(chosen, Stage.WAITS)
    return chosen, groups[chosen][: _waiting(groups) - waits_reserved] if is_command else groups[chosen]


def _waiting(groups: Groups) -> int:
    """The number of commands that wait for credentials."""
    return sum(len(guests) for group, guests in groups.items() if _is_command(group, Stage.WAITS))


def _is_command(group: Group, stage: Stage) -> bool:
    return group.listener.has_reserve and group.stage is stage


def _late(group: Group, guests: list[Guest], *, too_many_wait: bool) -> list[Guest]:
    """The connections of a group whose time is up."""
    if _is_command(group, Stage.WAITS):
        return guests if too_many_wait else []
    if group.stage is Stage.ARRIVES:
        seconds = GRACE_SECONDS
    elif _is_command(group, Stage.IS_BUSY):
        seconds = BUSY_SECONDS
    else:
        return []
    return guests if group.crowd else [guest for guest in guests if guest.seconds >= seconds]
