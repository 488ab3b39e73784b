"""What asks for new credentials, and how a session is kept: the arguments of the core."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import attrs


HUMAN_WINDOW_SECONDS = 20 * 60
MACHINE_WINDOW_SECONDS = 75 * 60


class Trigger(Enum):
    """What asks for new credentials."""

    CLOCK = "clock"
    CLIENT = "client"
    PERSON = "person"


class Requester(NamedTuple):
    """The process that asks: by the inode of its socket or by its pid; 0 is unknown."""

    inode: int = 0
    pid: int = 0


NOBODY = Requester()


@attrs.frozen(kw_only=True)
class RefreshPolicy:
    """How a session is kept: `mode` is always, while-used or on-demand.

    `asks_human` where each login may cost a fingerprint.
    """

    mode: str
    asks_human: bool
    retry_min_seconds: float = 30
    retry_max_seconds: float = 30 * 60

    @property
    def window_seconds(self) -> float:
        """The widest refresh window: Java v2 asks an hour ahead, botocore a quarter."""
        return HUMAN_WINDOW_SECONDS if self.asks_human else MACHINE_WINDOW_SECONDS
