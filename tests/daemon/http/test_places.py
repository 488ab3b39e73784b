"""Which connection goes when all places are taken, and how the descriptors are shared out."""

from __future__ import annotations

import pytest

from mayfly.daemon import descriptors
from mayfly.daemon.http.eviction import BUSY_SECONDS, FEW, GRACE_SECONDS, Guest, Stage
from mayfly.daemon.http.places import CHOSEN_SECONDS, CONNECTIONS, Places, Room


_STAGES = {
    "stream": Stage.STREAMS,
    "piles up": Stage.PILES_UP,
    "rests": Stage.RESTS,
    "waits": Stage.WAITS,
    "late": Stage.ARRIVES,
    "new": Stage.ARRIVES,
    "busy": Stage.IS_BUSY,
    "hangs": Stage.IS_BUSY,
}
_SECONDS = {"late": GRACE_SECONDS, "hangs": BUSY_SECONDS}


class _Guest:
    """A connection of that kind: `KIND`, `KIND of PROCESS`, or `waits for PROFILE of PROCESS`."""

    def __init__(self, kind: str, number: int) -> None:
        about, _, process = kind.partition(" of ")
        what, _, self.awaits = about.partition(" for ")
        self.name = f"{kind} {number}"
        self.pid = int(process or 1000 + number)
        self.stage = _STAGES[what]
        self.seconds = _SECONDS.get(what, 0.0)


class _Listener:
    """A listener with connections of these kinds, oldest first."""

    def __init__(self, places: Places, *kinds: str, has_reserve: bool = False, most: int | None = None) -> None:
        self.has_reserve = has_reserve
        self.most = most
        self.guests: list[Guest] = [_Guest(kind, number) for number, kind in enumerate(kinds)]
        self.dropped: list[str] = []
        places.add(self)

    @property
    def count(self) -> int:
        return len(self.guests)

    def drop(self, guest: Guest) -> bool:
        assert isinstance(guest, _Guest)
        self.guests.remove(guest)
        self.dropped.append(guest.name)
        return True


def gone(port: list[str], control: list[str], newcomer: str, *, reserved: int = 1, pid: int = 1) -> str:
    """What goes for one more on `newcomer`, where all places are taken: a connection, or "later", or "none"."""
    places = Places(len(port) + len(control), reserved)
    listeners = {"port": _Listener(places, *port), "control": _Listener(places, *control, has_reserve=True)}
    room = places.make_room(listeners[newcomer], pid)
    dropped = [f"{name} {guest}" for name, one in listeners.items() for guest in one.dropped]
    return dropped[0] if room is Room.MADE else room.name.lower()


@pytest.mark.parametrize(
    ("port", "control", "newcomer", "expected"),
    [
        (["rests", "waits"], ["stream", "rests"], "port", "control stream 0"),
        (["rests", "waits"], ["waits", "stream"], "control", "control stream 1"),
        (["waits", "new", "rests"], ["waits"], "port", "port rests 2"),
        (["rests"], ["waits", "late"], "control", "port rests 0"),
        (["late"], ["waits", "new"], "control", "port late 0"),
        (["late", "waits", "piles up"], ["waits"], "port", "port piles up 2"),
        (["new", "waits", "piles up"], ["waits", "waits"], "port", "port piles up 2"),
        (["waits", "new"], ["waits", "piles up"], "port", "control piles up 1"),
        (["waits", "new"], ["waits", "waits"], "port", "control waits 0"),
        (["waits", "new"], ["new", "waits"], "control", "control waits 1"),
        (["new", "new"], ["waits"], "port", "later"),
        (["busy", "waits"], ["waits"], "port", "later"),
        (["waits", "waits"], ["new"], "control", "later"),
        (["waits", "waits"], ["busy"], "control", "later"),
        (["waits", "waits"], ["hangs", "new"], "control", "control hangs 0"),
        (["waits", "waits"], ["waits"], "port", "none"),
        (["waits", "waits"], ["waits"], "control", "control waits 0"),
    ],
)
def test_the_connection_that_is_missed_least_goes(
    port: list[str], control: list[str], newcomer: str, expected: str
) -> None:
    """Listeners to events, those that do not read, idle ones, late ones, commands; never one with a token."""
    assert expected == gone(port, control, newcomer)


_CROWD = FEW + 1


@pytest.mark.parametrize(
    ("port", "control", "newcomer", "expected"),
    [
        # A process with many connections gives one: busy and new connections count as the others do.
        (["waits"], ["late of 1", "waits of 2", *["new of 7"] * _CROWD], "control", "control new of 7 2"),
        (["waits"], ["late of 1", "waits of 2", *["busy of 7"] * _CROWD], "control", "control busy of 7 2"),
        (["waits"], ["late of 1", "hangs of 2", *["waits of 7"] * _CROWD], "control", "control waits of 7 2"),
        ([], [*["waits of 7"] * _CROWD, *["waits of 8"] * (_CROWD + 1)], "control", f"control waits of 8 {_CROWD}"),
        # A few more than others are no reason.
        ([], [*["late of 7"] * FEW, "waits of 8"], "control", "control waits of 8 8"),
        # Many processes with a connection each: the profile that most wait for.
        ([], ["waits for Admin", "waits for Slow", "waits for Slow", "late"], "control", "control waits for Slow 1"),
        # Otherwise the endpoint's clients.
        (["late"], ["waits for Slow", "waits for Slow", "late"], "control", "port late 0"),
        # The port never knows the process.
        (["new of 7"] * _CROWD, ["busy"], "port", "later"),
    ],
)
def test_a_crowd_makes_room_first(port: list[str], control: list[str], newcomer: str, expected: str) -> None:
    """A flood of one process, of one kind or of one profile makes room for all others."""
    assert expected == gone(port, control, newcomer)


@pytest.mark.parametrize(
    ("control", "pid", "expected"),
    [
        (["waits of 7"] * _CROWD, 7, "none"),
        (["waits of 7"] * _CROWD, 8, "control waits of 7 0"),
        (["waits of 7"] * FEW, 7, "control waits of 7 0"),
        ([*["new of 7"] * _CROWD, *["stream of 8"] * _CROWD], 7, "none"),
        ([*["new of 7"] * _CROWD, *["waits of 8"] * (_CROWD + 1)], 7, "none"),
        ([*["new of 7"] * _CROWD, *["waits of 8"] * (_CROWD + 2)], 7, f"control waits of 8 {_CROWD}"),
    ],
)
def test_a_process_that_has_its_share_gets_no_more(control: list[str], pid: int, expected: str) -> None:
    """The process with the most connections replaces none by a new one; another takes a place of it."""
    assert expected == gone(["waits"], control, "control", pid=pid)


def test_half_of_the_reserve_is_for_commands_that_wait() -> None:
    """So many wait undisturbed beside any number of late requests; of more one goes."""
    control = [f"waits of {number}" for number in range(4)]

    assert "control late 4" == gone(["waits"], [*control, "late"], "control", reserved=8)
    assert "control waits of 0 0" == gone(["waits"], [*control, "waits of 5", "late"], "control", reserved=8)


def test_of_commands_that_wait_no_more_go_than_are_too_many() -> None:
    """The next ones to go are chosen together, and the reserve still holds."""
    places = Places(12, reserved=16)
    control = _Listener(places, *["waits"] * 10, "new", "new", has_reserve=True)
    rooms = []
    for number in range(4):
        rooms.append(places.make_room(control, 1))
        control.guests.append(_Guest("new", 100 + number))

    assert [Room.MADE, Room.MADE, Room.LATER, Room.LATER] == rooms
    assert ["waits 0", "waits 1"] == control.dropped


def test_what_was_chosen_together_is_looked_at_again() -> None:
    """A connection that has moved on meanwhile stays, and after a moment all are looked at anew."""
    now = 0.0
    places = Places(4, clock=lambda: now)
    port = _Listener(places, "rests", "rests", "rests", "rests")
    first, second, third, last = port.guests
    assert isinstance(second, _Guest)
    assert isinstance(last, _Guest)
    for step in range(2):
        assert Room.MADE == places.make_room(port, 0)
        port.guests.append(_Guest("waits", 10 + step))
        second.stage = Stage.WAITS
    now = CHOSEN_SECONDS
    last.stage = Stage.STREAMS
    port.guests.append(_Guest("stream", 20))
    assert Room.MADE == places.make_room(port, 0)

    assert ["rests 0", "rests 2", "rests 3"] == port.dropped
    assert [second, first, third] != port.guests


def test_the_reserve_is_the_control_sockets() -> None:
    """The port does not get the last places, the control socket does."""
    places = Places(3, reserved=1)
    port, control = _Listener(places, "waits", "waits"), _Listener(places, has_reserve=True)

    assert (Room.NONE, Room.FREE) == (places.make_room(port, 0), places.make_room(control, 1))


@pytest.mark.parametrize("limit", [256, 512, 1024, 4096, 20_000, 1_048_576])
def test_all_shares_are_within_the_limit(limit: int) -> None:
    """Connections, exchanges and all else fit together, at any limit; at the usual one there are 2,048 and 128."""
    found = descriptors.shares(limit)

    used = found.connections + descriptors.EACH_EXCHANGE * found.exchanges
    assert used + descriptors.FIXED + descriptors.IN_TRANSIT <= limit
    assert 0 < found.reserved < found.connections <= CONNECTIONS
    assert (limit < 4096) == (found.connections < CONNECTIONS)
    assert (128 if limit >= 4096 else limit // 32) == found.exchanges


@pytest.mark.parametrize(
    ("total", "reserved", "most", "own", "expected"),
    [
        (100, 0, 2, ["rests", "waits"], "MADE"),
        (100, 0, 2, ["waits", "waits"], "NONE"),
        (100, 0, 3, ["rests", "waits"], "FREE"),
        # Three of the port's, two of its own and the descriptor of its socket.
        (7, 0, 9, ["waits", "waits"], "FREE"),
        (6, 0, 9, ["waits", "waits"], "NONE"),
        (7, 5, 9, ["waits", "waits"], "NONE"),
    ],
)
def test_a_grants_socket_has_a_limit_of_its_own(
    total: int, reserved: int, most: int, own: list[str], expected: str
) -> None:
    """It replaces its own connections, and nobody else's, however many places there are."""
    places = Places(total, reserved)
    port, grant = _Listener(places, *["waits"] * 3), _Listener(places, *own, most=most)

    assert expected == places.make_room(grant, 0).name
    assert [] == port.dropped


def test_a_listener_that_has_closed_takes_no_place() -> None:
    """Its own descriptor is free again."""
    places = Places(2)
    port, grant = _Listener(places, "waits"), _Listener(places, most=9)
    before = places.make_room(port, 0)
    places.remove(grant)

    assert (Room.NONE, Room.FREE) == (before, places.make_room(port, 0))
