"""The desk: what needs the user's session but no secret. Who is there, who is asking, and telling them."""

from __future__ import annotations

import sys

from collections.abc import Callable
from datetime import datetime

from mayfly.desk.interface import Caller, Desk, LocalDesk
from mayfly.desk.linux import LinuxDesk
from mayfly.desk.macos import MacDesk
from mayfly.desk.remote import RemoteDesk


__all__ = ["Caller", "Desk", "LocalDesk", "RemoteDesk", "desk_here"]


def desk_here(clock: Callable[[], datetime]) -> LocalDesk:
    """The desk of this platform."""
    return MacDesk(clock) if sys.platform == "darwin" else LinuxDesk(clock)
