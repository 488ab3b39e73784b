"""launchd's sockets, from a library that stands in for launchd's."""

from __future__ import annotations

import ctypes
import errno
import os
import socket

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
