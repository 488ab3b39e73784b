"""The desk as the daemon sees it: its questions and answers.

Over a socket each connection carries one question and one answer, each a line of JSON.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol

import attrs

from mayfly.shared.ancestry import Agent


ANSWER_SECONDS = 3
# On everything that is shown.
TITLE = "Mayfly"
# A person must see a question, understand it and decide.
QUESTION_SECONDS = 60
AWAY_SECONDS = 5 * 60
MAX_LINE_BYTES = 4096


class Presence(Enum):
    """The user's presence at the screen; unknown counts as PRESENT."""

    PRESENT = "present"
    AWAY = "away"
    LOCKED = "locked"


@attrs.frozen(kw_only=True)
class Scene:
    """The user's presence, the time of the last unlock of the screen, and the beginning of the working day.

    The day begins with the first look at which the user is PRESENT after a night (presence_history.py). None: no
    night has been seen.
    """

    presence: Presence = Presence.PRESENT
    unlocked_at: datetime | None = None
    day_began_at: datetime | None = None


class Caller(NamedTuple):
    """The process that holds the other end of a connection."""

    pid: int
    program: str


class Desk(Protocol):
    """The questions that the user's session can answer."""

    def notes(self) -> list[str]:
        """Notes on the desk itself for a person, for `mayfly status`."""

    async def scene(self) -> Scene:
        """The presence now; while it is unknown the last known one, at first PRESENT."""

    async def tell(self, title: str, text: str) -> None:
        """Show a notification, if the session can. Never a secret."""

    async def can_ask(self) -> bool:
        """True if the session has a program that can show a question."""

    async def ask(self, question: str) -> bool | None:
        """True if the user says yes within QUESTION_SECONDS. No answer is no. None: no question could be shown."""

    async def caller(self, inode: int) -> Caller | None:
        """The user's process that holds the socket with this inode, if it can be found."""

    async def process(self, pid: int) -> Caller | None:
        """The user's process `pid`; for one that only passes credentials on (curl), the process that started it."""

    async def agent(self, *, inode: int = 0, pid: int = 0) -> Agent | None:
        """The coding agent that the process at the socket `inode`, or the process `pid`, works for; None: no agent.

        `ancestry.UNKNOWN` if the process cannot be found or looked at. Always None where agents are not recognised.
        """


class LocalDesk(Desk, Protocol):
    """A desk that runs in the session. It can also say that the presence is unknown."""

    async def presence(self) -> Presence | None:
        """The presence now; None if the platform does not say in time."""
