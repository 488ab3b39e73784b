"""The desk's answers as the daemon remembers them."""

from __future__ import annotations

from mayfly.shared.desk import Presence
from mayfly.shared.presence_history import PresenceHistory
from support.engine import at


PRESENT, AWAY, LOCKED = Presence.PRESENT, Presence.AWAY, Presence.LOCKED


def test_the_unlock_is_remembered() -> None:
    """The first other presence after LOCKED is the unlock; its time stays known."""
    history = PresenceHistory()
    seen = [
        history.scene(presence, at(second)) for second, presence in enumerate([PRESENT, LOCKED, LOCKED, AWAY, PRESENT])
    ]
    assert [None, None, None, at(3), at(3)] == [scene.unlocked_at for scene in seen]


def test_an_unknown_presence_changes_nothing() -> None:
    """An unknown presence changes nothing: it is no lock and no unlock."""
    history = PresenceHistory()
    seen = [history.scene(presence, at(second)) for second, presence in enumerate([None, LOCKED, None, AWAY, None])]
    assert [PRESENT, LOCKED, LOCKED, AWAY, AWAY] == [scene.presence for scene in seen]
    assert [None, None, None, at(3), at(3)] == [scene.unlocked_at for scene in seen]
