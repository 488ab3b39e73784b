"""What happens, and when: a human's days, AWS's bad hour, and a laptop that sleeps.

09:00 on Thursday makes a session that ends at 17:00; what follows is laid out so that each session ends where it hurts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tests.soak.stage import Stage
from tests.soak.tally import Tally


# A Thursday.
FIRST_DAY = datetime(2026, 3, 5, tzinfo=UTC)
_DAYS = {"Thu": 0, "Fri": 1, "Sat": 2, "Sun": 3, "Mon": 4, "Tue": 5}


class Act(NamedTuple):
    """Something that the user does at a time; `sleeps_until` is for a lid that is closed.

    `waits`: first the renewals under way end, because nobody leaves while 1Password asks.
    """

    at: datetime
    what: str
    do: Callable[[Stage, Tally, datetime], None] | None = None
    sleeps_until: datetime | None = None
    waits: bool = False


def when(text: str) -> datetime:
    """`Thu 09:00` as an instant."""
    day, _, time = text.partition(" ")
    hours, minutes = time.split(":")
    return FIRST_DAY + timedelta(days=_DAYS[day], hours=int(hours), minutes=int(minutes))


def _sits(presence: str) -> Callable[[Stage, Tally, datetime], None]:
    def do(stage: Stage, tally: Tally, now: datetime) -> None:
        # logind tells of idleness when it has lasted a while: since then is meant.
        stage.sit(presence, now - timedelta(minutes=6))
        tally.changed(now, presence=presence)

    return do


def _sts(*, is_up: bool) -> Callable[[Stage, Tally, datetime], None]:
    def do(stage: Stage, tally: Tally, now: datetime) -> None:
        stage.sts.switch(is_up=is_up)
        tally.changed(now, is_up=is_up)

    return do


def _says(answer: str) -> Callable[[Stage, Tally, datetime], None]:
    def do(stage: Stage, _tally: Tally, _now: datetime) -> None:
        stage.answer_next(answer)

    return do


def _locks_app(stage: Stage, _tally: Tally, _now: datetime) -> None:
    stage.lock_app()


def _act(at: str, what: str, do: Callable[[Stage, Tally, datetime], None]) -> Act:
    return Act(when(at), what, do)


def _leave(at: str, what: str, presence: str = "locked") -> Act:
    return Act(when(at), what, _sits(presence), waits=True)


def _sleep(at: str, until: str) -> Act:
    return Act(when(at), "closes the lid", sleeps_until=when(until), waits=True)


DAY = (
    _act("Thu 09:00", "unlocks the screen", _sits("present")),
    _leave("Thu 09:30", "has a coffee", "away"),
    _act("Thu 09:45", "is back", _sits("present")),
    _leave("Thu 09:58", "locks the screen"),
    _sleep("Thu 10:00", "Thu 16:00"),
    _act("Thu 16:01", "unlocks the screen", _sits("present")),
    _act("Thu 16:10", "locks 1Password", _locks_app),
    _act("Thu 16:30", "will dismiss the next prompt", _says("reject")),
    _act("Thu 17:05", "STS goes down", _sts(is_up=False)),
    _act("Thu 17:20", "STS is back", _sts(is_up=True)),
    _leave("Thu 17:28", "locks the screen and goes home"),
    _sleep("Thu 17:30", "Fri 02:30"),
    _act("Fri 02:45", "cannot sleep, and unlocks the screen", _sits("present")),
)
WEEK = (
    _act("Thu 09:00", "unlocks the screen", _sits("present")),
    _leave("Thu 10:30", "has a coffee", "away"),
    _act("Thu 10:45", "is back", _sits("present")),
    _leave("Thu 12:00", "locks the screen for lunch"),
    _act("Thu 13:00", "unlocks the screen", _sits("present")),
    _act("Thu 14:00", "locks 1Password", _locks_app),
    _act("Thu 16:35", "STS goes down", _sts(is_up=False)),
    _act("Thu 17:15", "STS is back", _sts(is_up=True)),
    _leave("Thu 18:00", "locks the screen and goes home"),
    _act("Fri 08:30", "unlocks the screen", _sits("present")),
    _leave("Fri 12:00", "locks the screen for lunch"),
    _act("Fri 13:00", "unlocks the screen", _sits("present")),
    _act("Fri 16:00", "will dismiss the next prompt", _says("reject")),
    _leave("Fri 16:05", "has a coffee", "away"),
    _act("Fri 16:20", "is back", _sits("present")),
    _leave("Fri 18:00", "locks the screen and goes home"),
    _sleep("Fri 18:05", "Sat 10:00"),
    _sleep("Sat 11:00", "Mon 08:55"),
    _act("Mon 09:00", "unlocks the screen", _sits("present")),
    _leave("Mon 11:58", "locks the screen"),
    _sleep("Mon 12:00", "Mon 21:00"),
    _act("Mon 21:01", "unlocks the screen", _sits("present")),
    _act("Mon 21:30", "will not see the next prompt", _says("ignore")),
    _leave("Mon 22:00", "locks the screen"),
    _act("Tue 08:30", "unlocks the screen", _sits("present")),
)
