"""The service manager as the daemon needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly.service import fd_store
from mayfly.service.inherited import Inherited
from mayfly.service.manager import Manager
from mayfly.service.notify import Notifier
from support.notify import NotifyListener


def test_content_that_systemd_was_not_told_is_sent_again(tmp_path: Path) -> None:
    """`keep` sends again what systemd could not be told, and does not send the same content twice."""
    address = tmp_path / "notify"
    manager = Manager(Inherited(), Notifier(str(address)), None)
    manager.keep(b"secret")
    listener = NotifyListener(str(address))
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
    """If systemd was told only to drop the old sessions, the next `keep` sends the new ones again."""
    address = tmp_path / "notify"
    listener = NotifyListener(str(address))
    manager = Manager(Inherited(), Notifier(str(address)), None)
    with monkeypatch.context() as busy:
        # A queue that is full for the second message alone cannot be brought about from outside.
        busy.setattr(Notifier, "store_descriptor", lambda *_: False)
        manager.keep(b"secret")
    manager.keep(b"secret")

    heard = [listener.heard()[0][0] for _ in range(3)]
    listener.close()
    assert ["FDSTOREREMOVE=1", "FDSTOREREMOVE=1", "FDSTORE=1"] == heard
