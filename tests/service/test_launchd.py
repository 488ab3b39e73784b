"""launchd's sockets, from a library that stands in for launchd's."""

from __future__ import annotations

import ctypes
import errno
import os
import socket

from pathlib import Path
from typing import Any

import pytest

from mayfly.service import launchd


class Library:
    """`launch_activate_socket` and `free`, as launch(3) has them."""

    def __init__(self, **sockets: list[int]) -> None:
        self._sockets = sockets
        self.freed: list[Any] = []
        self._kept: list[Any] = []

    def launch_activate_socket(self, name: bytes, descriptors: Any, count: Any) -> int:
        found = self._sockets.get(name.decode())
        if found is None:
            return errno.ENOENT
        array = (ctypes.c_int * len(found))(*found)
        self._kept.append(array)
        ctypes.cast(descriptors, ctypes.POINTER(ctypes.POINTER(ctypes.c_int)))[0] = ctypes.cast(
            array, ctypes.POINTER(ctypes.c_int)
        )
        ctypes.cast(count, ctypes.POINTER(ctypes.c_size_t))[0] = len(found)
        return 0

    def free(self, pointer: Any) -> None:
        self.freed.append(pointer)


def test_both_sockets_are_taken_and_the_array_is_freed() -> None:
    """Port and control socket come by their names; a second port is closed, and launchd's array freed."""
    port, extra, control = socket.socket(), socket.socket(), socket.socket(socket.AF_UNIX)
    numbers = port.detach(), extra.detach(), control.detach()
    library = Library(port=[numbers[0], numbers[1]], control=[numbers[2]])

    found = launchd.inherited({"XPC_SERVICE_NAME": launchd.LABEL}, library)

    assert found.port is not None
    assert found.control is not None
    assert (numbers[0], numbers[2]) == (found.port.fileno(), found.control.fileno())
    assert socket.AF_UNIX == found.control.family
    assert 2 == len(library.freed)
    found.port.close()
    found.control.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(numbers[1])


def test_without_launchd_nothing_is_asked() -> None:
    """In a terminal, and if launchd has no such socket, nothing is inherited."""
    library = Library()

    assert launchd.inherited({}, None).port is None
    assert launchd.inherited({"XPC_SERVICE_NAME": launchd.LABEL}, library).port is None
    assert [] == library.freed


# Unloads the agent as launchctl does: it returns at once, and the agent goes some questions later.
LAUNCHCTL = """\
#!/bin/sh
case "$1" in
  bootout) echo 3 > "$HOME/questions"; {end} ;;
  print)
    left=$(cat "$HOME/questions" 2>/dev/null || echo always)
    test "$left" = always && exit 0
    test "$left" -gt 0 || {{ echo "Could not find service" >&2; exit 113; }}
    echo $((left - 1)) > "$HOME/questions" ;;
esac
"""


@pytest.mark.parametrize(
    ("end", "complaint"),
    [
        ("exit 0", ""),
        ("echo 'Boot-out failed: 36: Operation now in progress' >&2; exit 36", ""),
        ("echo 'Boot-out failed: 3: No such process' >&2; echo 0 > $HOME/questions; exit 3", ""),
        ("echo 'Boot-out failed: 1: Operation not permitted' >&2; rm $HOME/questions; exit 1", "not permitted"),
        ("rm $HOME/questions; exit 0", f"launchd has not ended {launchd.LABEL} within"),
    ],
)
def test_bootout_waits_until_the_agent_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, complaint: str
) -> None:
    """launchctl returns earlier than the agent ends, and a bootstrap fails until then: so `bootout` waits."""
    program = tmp_path / "bin/launchctl"
    program.parent.mkdir()
    program.write_text(LAUNCHCTL.format(end=end))
    program.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(launchd, "BOOTOUT_SECONDS", 1)

    said = launchd.bootout()

    assert (complaint in said) if complaint else not said
    assert bool(complaint) == launchd.is_loaded()
