"""The arguments of the core: what asks for new credentials, who is present, and how a session is kept."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import NamedTuple

import attrs


HUMAN_WINDOW_SECONDS = 20 * 60
MACHINE_WINDOW_SECONDS = 75 * 60


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


@attrs.frozen(kw_only=True)
class RefreshPolicy:
    """The rules for renewing a session.

    `mode` is always, while-used or on-demand (`Life.is_renewed_by_clock`). `asks_human`: a renewal may raise a prompt.
    `on_lock` is keep, withhold or forget (`screen_lock.py`). `top_up`: a session that would end in the course of a day
    is renewed at the beginning of that day. `ends_at`: nobody may use the session after that, because its grant ends.
    """

    mode: str
    asks_human: bool
    on_lock: str = "keep"
    top_up: bool = False
    ends_at: datetime | None = None
    retry_min_seconds: float = 30
    retry_max_seconds: float = 30 * 60

    @property
    def window_seconds(self) -> float:
        """The widest refresh window. The SDK for Java v2 refreshes 60 minutes ahead, botocore 15."""
        return HUMAN_WINDOW_SECONDS if self.asks_human else MACHINE_WINDOW_SECONDS
