"""The life of one run of temporary credentials: the pure core.

    life.py      how long credentials live, and where in their life they stand
    session.py   what may happen to them, what has happened
    backoff.py   what a failure means for the next try
    codes.py     which one-time code may go out

Laws:
1. Whatever decides *when* lives in this room, and only here.
2. This room cannot read a clock, wait, or speak to anyone: `now` is an argument, and so is who is there.
3. A transition takes the old session and returns a new one.
4. An expired credential is never handed out.
5. A one-time code that STS has accepted or refused never goes out again (`first_usable_step`; the exchange applies it).
"""

from mayfly.session.backoff import LAST_CHANCE_SECONDS
from mayfly.session.codes import CODE_PERIOD_SECONDS, first_usable_step
from mayfly.session.life import Phase
from mayfly.session.record import MAX_JITTER_SECONDS
from mayfly.session.session import LOOK_AGAIN_SECONDS, Session


__all__ = [
    "CODE_PERIOD_SECONDS",
    "LAST_CHANCE_SECONDS",
    "LOOK_AGAIN_SECONDS",
    "MAX_JITTER_SECONDS",
    "Phase",
    "Session",
    "first_usable_step",
]
