"""The first one-time password that may be sent: law 5 of `session`. exchange/onepassword/sent_codes.py applies it.

It is here because importing `session` costs each login as much as a bare interpreter.
"""

from __future__ import annotations


CODE_PERIOD_SECONDS = 30


def first_usable_step(last_step: int | None, now_step: int) -> int:
    """The first 30 s step whose one-time password may be sent, after that of `last_step` was sent."""
    return now_step if last_step is None else max(now_step, last_step + 1)
