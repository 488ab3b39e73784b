"""Which one-time code may go out (law 5)."""

from __future__ import annotations


CODE_PERIOD_SECONDS = 30


def first_usable_step(last_step: int | None, now_step: int) -> int:
    """The first 30 s step whose code may go out, after `last_step` was sent."""
    return now_step if last_step is None else max(now_step, last_step + 1)
