"""What a service tells systemd, heard by a socket of ours."""

from __future__ import annotations

import array
import os
import socket

from collections.abc import Iterator
from pathlib import Path

import pytest

from mayfly.service import fd_store
from mayfly.service.inherited import Inherited
from mayfly.service.manager import Manager
from mayfly.service.notify import Notifier, watchdog_seconds


class Listener:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(10)

    def heard(self) -> tuple[list[str], list[int]]:
        """The next message's lines, and the descriptors that came with it."""
        raw, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(16))
        descriptors = array.array("i")
        for _, _, data in ancillary:
            descriptors.frombytes(data)
        return raw.decode().split("\n"), list(descriptors)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    found = Listener(str(tmp_path / "notify") if request.param == "path" else f"@mayfly-test-{os.getpid()}")
    yield found
    found.close()


def test_every_word_is_systemds_own(listener: Listener) -> None:
    """Ready, status, alive and stopping are said in sd_notify's words, by path and by abstract name."""
    notifier = Notifier(listener.address)
    notifier.ready("2 profiles")
    notifier.status("two\nlines")
    notifier.feed_watchdog()
    notifier.stopping()

    heard = [listener.heard()[0] for _ in range(4)]
    assert [["READY=1", "STATUS=2 profiles"], ["STATUS=two lines"], ["WATCHDOG=1"], ["STOPPING=1"]] == heard


def test_reloading_tells_the_time_by_the_monotonic_clock(listener: Listener) -> None:
    """RELOADING comes with MONOTONIC_USEC, which systemd 253 and newer wants."""
    Notifier(listener.address).reloading()
    lines, _ = listener.heard()

    assert "RELOADING=1" == lines[0]
    assert lines[1].removeprefix("MONOTONIC_USEC=").isdecimal()


def test_what_is_kept_is_sealed_and_replaces_what_was(listener: Listener) -> None:
    """The store holds one memfd, which nobody can change, and which reads back as what was put there."""
    fd_store.store(Notifier(listener.address), b"secret")

    dropped, _ = listener.heard()
    kept, [descriptor] = listener.heard()
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"x", 0)
    assert ["FDSTOREREMOVE=1", "FDNAME=sessions"] == dropped
    assert ["FDSTORE=1", "FDNAME=sessions", "FDPOLL=0"] == kept
    assert b"secret" == fd_store.read_and_close(descriptor)


def test_nothing_is_kept_of_nothing(listener: Listener) -> None:
    """Where there are no sessions, the store is emptied, and no descriptor is sent."""
    fd_store.store(Notifier(listener.address), b"")
    Notifier(listener.address).feed_watchdog()

    assert ["FDSTOREREMOVE=1", "FDNAME=sessions"] == listener.heard()[0]
    assert ["WATCHDOG=1"] == listener.heard()[0]


def test_what_systemd_has_not_heard_is_told_again(tmp_path: Path) -> None:
    """What could not be kept, because systemd was too busy or away, is kept by the next call; what was is not again."""
    address = tmp_path / "notify"
    manager = Manager(Inherited(), Notifier(str(address)), None)
    manager.keep(b"secret")
    listener = Listener(str(address))
    manager.keep(b"secret")
    manager.keep(b"secret")
    manager.tick()
    Notifier(str(address)).feed_watchdog()

    heard = [listener.heard() for _ in range(3)]
    listener.close()
    assert ["FDSTOREREMOVE=1", "FDSTORE=1", "WATCHDOG=1"] == [lines[0] for lines, _ in heard]
    assert b"secret" == fd_store.read_and_close(heard[1][1][0])


def test_a_store_that_was_emptied_and_not_filled_is_filled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where systemd has heard only that the old sessions go, the new ones are told again."""
    address = tmp_path / "notify"
    listener = Listener(str(address))
    manager = Manager(Inherited(), Notifier(str(address)), None)
    with monkeypatch.context() as busy:
        # The one moment at which a queue is full cannot be had from outside.
        busy.setattr(Notifier, "store_descriptor", lambda *_: False)
        manager.keep(b"secret")
    manager.keep(b"secret")

    heard = [listener.heard()[0][0] for _ in range(3)]
    listener.close()
    assert ["FDSTOREREMOVE=1", "FDSTOREREMOVE=1", "FDSTORE=1"] == heard


def test_what_is_not_sealed_is_not_taken(tmp_path: Path) -> None:
    """A file that somebody could still write to is no keepsake of ours."""
    path = tmp_path / "file"
    path.write_bytes(b"content")

    assert None is fd_store.read_and_close(os.open(path, os.O_RDONLY))


def test_nobody_listening_is_no_fault(tmp_path: Path) -> None:
    """Telling a socket that is not there, or nobody at all, does nothing."""
    Notifier(str(tmp_path / "gone")).ready("…")
    Notifier().ready("…")
    fd_store.store(Notifier(), b"secret")


def test_the_variable_is_taken_out_of_the_environment() -> None:
    """No child speaks in our name: NOTIFY_SOCKET is gone once it has been read."""
    environ = {"NOTIFY_SOCKET": "/somewhere", "HOME": "/"}

    assert Notifier.from_environ(environ).is_enabled
    assert {"HOME": "/"} == environ


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 60.0),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_only_where_it_is_meant_for_us(environ: dict[str, str], seconds: float | None) -> None:
    """WATCHDOG_PID must be our own, and WATCHDOG_USEC a number."""
    assert seconds == watchdog_seconds(environ, 7)
    assert {} == environ
