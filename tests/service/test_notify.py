"""The messages of a service to systemd, received by a socket of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly.service.notify import Notifier, watchdog_seconds
from support.notify import NotifyListener


def test_every_word_is_systemds_own(listener: NotifyListener) -> None:
    """The messages have the words of sd_notify(3), and reach a path and an abstract name."""
    notifier = Notifier(listener.address)
    notifier.ready("2 profiles")
    notifier.status("two\nlines")
    notifier.feed_watchdog()
    notifier.stopping()

    heard = [listener.heard()[0] for _ in range(4)]
    assert [["READY=1", "STATUS=2 profiles"], ["STATUS=two lines"], ["WATCHDOG=1"], ["STOPPING=1"]] == heard


def test_reloading_tells_the_time_by_the_monotonic_clock(listener: NotifyListener) -> None:
    """RELOADING comes with MONOTONIC_USEC, which systemd 253 and newer wants."""
    Notifier(listener.address).reloading()
    lines, _ = listener.heard()

    assert "RELOADING=1" == lines[0]
    assert lines[1].removeprefix("MONOTONIC_USEC=").isdecimal()


def test_nobody_listening_is_no_fault(tmp_path: Path) -> None:
    """A message to a missing socket, or without one, does nothing."""
    Notifier(str(tmp_path / "gone")).ready("…")
    Notifier().ready("…")


def test_the_variable_is_taken_out_of_the_environment() -> None:
    """NOTIFY_SOCKET is removed once it has been read, so that no child sends in our name."""
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
