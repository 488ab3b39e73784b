"""The desk: finds a client's process, says whether the user is present, shows notifications. It has no secrets."""

from __future__ import annotations

import sys

from collections.abc import Callable
from datetime import datetime

from mayfly.desk.linux import LinuxDesk
from mayfly.desk.macos import MacDesk
from mayfly.shared.desk import LocalDesk


def desk_here(clock: Callable[[], datetime]) -> LocalDesk:
    """The desk of this platform."""
    return MacDesk(clock) if sys.platform == "darwin" else LinuxDesk(clock)
