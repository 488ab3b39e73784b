"""Who wants new credentials: the clock, a client or a person, and the process that asks."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Trigger(Enum):
    """The cause of a wish for new credentials."""

    CLOCK = "clock"
    CLIENT = "client"
    PERSON = "person"


class Requester(NamedTuple):
    """The process that asks: the inode of its socket, or its process id. 0 where it is not known."""

    inode: int = 0
    pid: int = 0


NOBODY = Requester()
