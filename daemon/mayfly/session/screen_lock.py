"""What the lock of the screen does to a profile's credentials (`on_lock`).

keep: nothing. withhold: while the screen is locked nobody is given them. forget: the same, and they are dropped.
"""

from __future__ import annotations

from mayfly.shared.desk import Presence, Scene


KEEP, FORGET = "keep", "forget"

# How soon a lock is noticed where credentials must be dropped, or taken out of a grant's file. A look costs the desk a
# process or two.
LOOK_SECONDS = 5


def heeds_lock(on_lock: str) -> bool:
    """True if the screen must be looked at before the credentials are handed out."""
    return on_lock != KEEP


def is_withheld(on_lock: str, scene: Scene) -> bool:
    """True if nobody is given the credentials now."""
    return heeds_lock(on_lock) and scene.presence is Presence.LOCKED


def is_dropped(on_lock: str, scene: Scene) -> bool:
    """True if there must be no credentials now, and none are got."""
    return on_lock == FORGET and scene.presence is Presence.LOCKED
