"""The bytes that systemd keeps over a restart."""

from __future__ import annotations

import fcntl
import os

from pathlib import Path

import pytest

from mayfly.service import fd_store
from mayfly.service.inherited import Inherited
from mayfly.service.manager import Manager
from mayfly.service.notify import Notifier
from support.notify import NotifyListener


# linux/fcntl.h: against further seals, shrinking, growing and writing.
EVERY_SEAL = (1, 2, 4, 8)
ADD_SEALS = 1033


def test_stored_content_is_sealed_and_replaces_what_was_stored(listener: NotifyListener) -> None:
    """systemd is sent one memfd, which nobody can change, and whose content is what was stored."""
    fd_store.store(Notifier(listener.address), b"secret")

    dropped, _ = listener.heard()
    kept, [descriptor] = listener.heard()
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"x", 0)
    assert ["FDSTOREREMOVE=1", "FDNAME=sessions"] == dropped
    assert ["FDSTORE=1", "FDNAME=sessions", "FDPOLL=0"] == kept
    assert b"secret" == fd_store.read_and_close(descriptor)


def test_no_content_empties_the_store(listener: NotifyListener) -> None:
    """Without sessions the store is emptied, and no descriptor is sent."""
    fd_store.store(Notifier(listener.address), b"")
    Notifier(listener.address).feed_watchdog()

    assert ["FDSTOREREMOVE=1", "FDNAME=sessions"] == listener.heard()[0]
    assert ["WATCHDOG=1"] == listener.heard()[0]


def test_nothing_is_stored_without_systemd() -> None:
    """Without a notify socket nothing is stored, and nothing fails."""
    assert not fd_store.store(Notifier(), b"secret")


def test_a_plain_file_is_not_read(tmp_path: Path) -> None:
    """A file on disk has no seals, and is not read."""
    path = tmp_path / "file"
    path.write_bytes(b"content")

    assert None is fd_store.read_and_close(os.open(path, os.O_RDONLY))


@pytest.mark.parametrize("missing", [*EVERY_SEAL, sum(EVERY_SEAL)])
def test_a_memfd_that_lacks_a_seal_is_not_read(missing: int) -> None:
    """A memfd counts only with every seal: without one of them another process could still change it."""
    descriptor = os.memfd_create("mayfly-sessions", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, b"secret")
    fcntl.fcntl(descriptor, ADD_SEALS, sum(EVERY_SEAL) & ~missing)

    assert None is fd_store.read_and_close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_an_unsealed_memfd_is_not_recalled() -> None:
    """A manager that was handed an unsealed memfd under our name restores nothing, and closes it."""
    descriptor = os.memfd_create("mayfly-sessions", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, b"secret")

    assert b"" == Manager(Inherited(stored={fd_store.NAME: descriptor}), Notifier(), None).restore()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
