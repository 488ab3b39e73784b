"""The rules for renewing a session: whether the clock does it (always, while-used, on-demand), and from when on."""

from __future__ import annotations

from datetime import datetime

import attrs


HUMAN_WINDOW_SECONDS = 20 * 60
MACHINE_WINDOW_SECONDS = 75 * 60


@attrs.frozen(kw_only=True)
class RefreshPolicy:
    """The rules for renewing a session.

    `mode` is always, while-used or on-demand (see `is_kept_fresh`). `asks_human`: a renewal may raise a prompt.
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

    def is_kept_fresh(self, *, is_in_use: bool) -> bool:
        """True if the clock renews the session, and not its clients alone.

        Mode `always`: yes. Mode `while-used`: if a client has fetched the present credentials. Mode `on-demand`: no.
        """
        return self.mode == "always" or (self.mode == "while-used" and is_in_use)
