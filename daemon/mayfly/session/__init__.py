"""A profile's session of temporary credentials: the pure core.

    life.py            how long the credentials live, their phase, and whether they are in use
    record.py          their history
    session.py         whether they are renewed now
    trigger.py         who wants new credentials
    refresh_policy.py  the rules for renewing a session (always, while-used, on-demand)
    backoff.py         the next attempt after a failure
    screen_lock.py     what the lock of the screen does to credentials (keep, withhold, forget)
    forecast.py        when the clock tries next, for people

Laws:
1. Every decision about *when* is made in this folder, and nowhere else.
2. This folder cannot read a clock, wait, or speak to anyone: `now` is an argument, and so is who is present.
3. A transition takes the old session and returns a new one.
4. An expired credential is never handed out.
5. A one-time password that STS has accepted or refused is never sent again (`first_usable_step` in shared/codes.py;
   exchange/onepassword/sent_codes.py applies it).
"""

from mayfly.session.backoff import LAST_CHANCE_SECONDS
from mayfly.session.life import Phase
from mayfly.session.record import MAX_JITTER_SECONDS
from mayfly.session.session import LOOK_AGAIN_SECONDS, Session
from mayfly.shared.codes import CODE_PERIOD_SECONDS, first_usable_step


__all__ = [
    "CODE_PERIOD_SECONDS",
    "LAST_CHANCE_SECONDS",
    "LOOK_AGAIN_SECONDS",
    "MAX_JITTER_SECONDS",
    "Phase",
    "Session",
    "first_usable_step",
]
