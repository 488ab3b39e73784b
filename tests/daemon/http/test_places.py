"""Which connection goes when all places are taken, and how the descriptors are shared out."""

from __future__ import annotations

import pytest

from mayfly.daemon import descriptors
from mayfly.daemon.http.places import CONNECTIONS, JUST_IDLE_SECONDS, Guest, Places


class _Guest:
    def __init__(self, kind: str, number: int) -> None:
        self.name = f"{kind} {number}"
        self.pid = number
        self.is_stream = kind == "stream"
        self.piles_up = kind == "piles up"
        self.idle_seconds = {"idle": JUST_IDLE_SECONDS, "new": 0.0}.get(kind)


class _Listener:
    """A listener with connections of these kinds, oldest first."""

    def __init__(self, places: Places, *kinds: str, has_reserve: bool = False) -> None:
        self.has_reserve = has_reserve
        self.guests: list[Guest] = [_Guest(kind, number) for number, kind in enumerate(kinds)]
        self.dropped: list[str] = []
        places.add(self)

    @property
    def count(self) -> int:
        return len(self.guests)

    def drop(self, guest: Guest) -> None:
        assert isinstance(guest, _Guest)
        self.guests.remove(guest)
        self.dropped.append(guest.name)


def gone(port: list[str], control: list[str], newcomer: str, reserved: int = 1) -> str:
    """The connection that goes for one more on `newcomer`, where there are no more places; "" if none goes."""
    places = Places(len(port) + len(control), reserved)
    listeners = {"port": _Listener(places, *port), "control": _Listener(places, *control, has_reserve=True)}
    is_room = places.make_room(listeners[newcomer])
    [name] = [f"{name} {guest}" for name, one in listeners.items() for guest in one.dropped] or [""]
    assert is_room == bool(name)
    return name


@pytest.mark.parametrize(
    ("port", "control", "newcomer", "expected"),
    [
        (["idle", "waits"], ["stream", "idle"], "port", "control stream 0"),
        (["idle", "waits"], ["waits", "stream"], "control", "control stream 1"),
        (["waits", "new", "idle"], ["waits"], "port", "port idle 2"),
        (["idle"], ["waits", "idle"], "control", "control idle 1"),
        (["idle"], ["waits", "new"], "control", "port idle 0"),
        (["waits", "new"], ["waits", "waits"], "port", "control waits 0"),
        (["waits", "new"], ["new", "waits"], "control", "control waits 1"),
        (["new", "new"], ["waits"], "port", "port new 0"),
        (["idle", "waits", "piles up"], ["waits"], "port", "port piles up 2"),
        (["new", "waits", "piles up"], ["waits", "waits"], "port", "port piles up 2"),
        (["waits", "new"], ["waits", "piles up"], "port", "control piles up 1"),
        (["waits", "waits"], ["waits"], "port", ""),
        (["waits", "waits"], ["waits"], "control", "control waits 0"),
    ],
)
def test_the_connection_that_is_missed_least_goes(
    port: list[str], control: list[str], newcomer: str, expected: str
) -> None:
    """Listeners to events, those that do not read, idle ones, commands beyond the reserve; never one with a token."""
    assert expected == gone(port, control, newcomer)


def test_the_reserve_is_the_control_sockets() -> None:
    """The port does not get the last places, the control socket does."""
    places = Places(3, reserved=1)
    port, control = _Listener(places, "waits", "waits"), _Listener(places, has_reserve=True)

    assert (False, True) == (places.is_free(port), places.is_free(control))


@pytest.mark.parametrize("limit", [256, 512, 1024, 4096, 20_000, 1_048_576])
def test_all_shares_are_within_the_limit(limit: int) -> None:
    """Connections, exchanges and all else fit together, at any limit; at the usual one there are 2,048 and 128."""
    found = descriptors.shares(limit)

    used = found.connections + descriptors.EACH_EXCHANGE * found.exchanges
    assert used + descriptors.FIXED + descriptors.IN_TRANSIT <= limit
    assert 0 < found.reserved < found.connections <= CONNECTIONS
    assert (limit < 4096) == (found.connections < CONNECTIONS)
    assert (128 if limit >= 4096 else limit // 32) == found.exchanges
