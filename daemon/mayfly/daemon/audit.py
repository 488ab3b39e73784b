"""Which process got which profile: one event a minute for each pair, and the last few hand-outs for `mayfly status`.

The process is found by its socket's inode while the client still waits, because it may end with the answer. Of clients
in great numbers not every process is looked up. The others are noted by their agent alone.
"""

from __future__ import annotations

import asyncio

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from mayfly.daemon.events import Events
from mayfly.daemon.log_counter import LogCounter
from mayfly.daemon.tasks import Tasks
from mayfly.shared.desk import Caller, Desk
from mayfly.shared.text import printable


REPEAT_SECONDS = 60
# A process may start several clients at once. A fetch later than that repeats an earlier one, as SDKs do when AWS has
# refused their credentials.
TOGETHER_SECONDS = 0.2
LOOKUPS_PER_SECOND = 5
UNSEEN_PER_MINUTE = 20
# Finding the client's process takes 3 ms, or 12 ms among thousands of open descriptors. The client may end as soon as
# it has its answer, so the answer waits for the look-up, but no longer than this.
PATIENCE_SECONDS = 0.1
AGENT_LETTERS = 32
LAST_FEW = 10
REMEMBERED = 1024


class Fetch(NamedTuple):
    """One hand-out: a program got a profile's credentials at an instant. None: not known."""

    profile: str
    pid: int | None
    program: str | None
    agent: str
    at: datetime


class Audit:
    """Notes hand-outs.

    `age_seconds` returns the age of a profile's session. `suspect` is called with a profile that one process fetches
    again within a minute: AWS may have refused the credentials.
    """

    def __init__(
        self,
        desk: Desk,
        events: Events,
        *,
        clock: Callable[[], datetime],
        age_seconds: Callable[[str], float],
        suspect: Callable[[str], None],
    ) -> None:
        self._desk = desk
        self._events = events
        self._clock = clock
        self._age_seconds = age_seconds
        self._suspect = suspect
        self._told: dict[tuple[str, int | str], datetime] = {}
        self._known: dict[int, Caller | None] = {}
        self._lookups: deque[float] = deque(maxlen=LOOKUPS_PER_SECOND)
        self._unseen: deque[float] = deque(maxlen=UNSEEN_PER_MINUTE)
        self._left_out = LogCounter()
        self._tasks = Tasks(events)
        self.last: deque[Fetch] = deque(maxlen=LAST_FEW)

    def meet(self, inode: int | None) -> None:
        """Look up the client at the socket `inode` while it waits for its credentials."""
        if inode is not None and inode not in self._known and self._may_look():
            self._tasks.spawn(self._find(inode))

    async def note(self, profile: str, user_agent: str, inode: int | None, *, pid: int = 0) -> None:
        """Note that `profile` is handed to the client at the socket `inode`, or to the process `pid`.

        Returns within PATIENCE_SECONDS, also where the desk is slow or fails.
        """
        agent, at = family(user_agent), self._clock()
        if inode is not None and inode in self._known:
            self._enter(profile, self._known[inode], agent, at)
        elif inode is None and not pid:
            self._enter(profile, None, agent, at)
        elif self._may_look():
            look = (
                self._look(profile, agent, inode, at) if inode is not None else self._look_up(profile, agent, pid, at)
            )
            await asyncio.wait([self._tasks.spawn(look)], timeout=PATIENCE_SECONDS)
        else:
            self._enter_unseen(profile, agent, at)

    async def _look(self, profile: str, agent: str, inode: int, at: datetime) -> None:
        # A desk that fails is logged by the tasks. The hand-out is noted all the same.
        try:
            await self._find(inode)
        finally:
            self._enter(profile, self._known.get(inode), agent, at)

    async def _look_up(self, profile: str, agent: str, pid: int, at: datetime) -> None:
        """Without suspicion: a shell that runs a command twice is no sign of a refusal."""
        caller = Caller(pid, "unknown")
        try:
            caller = await self._desk.process(pid) or caller
        finally:
            self._enter(profile, caller, agent, at, is_suspect=False)

    async def _find(self, inode: int) -> None:
        caller = await self._desk.caller(inode)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[inode] = caller

    def _may_look(self) -> bool:
        """True a few times a second: each look-up walks through /proc."""
        seconds = asyncio.get_running_loop().time()
        if len(self._lookups) == LOOKUPS_PER_SECOND and seconds - self._lookups[0] < 1:
            return False
        self._lookups.append(seconds)
        return True

    def _enter_unseen(self, profile: str, agent: str, at: datetime) -> None:
        """Note a client that is not looked up, so many a minute; beyond that count it."""
        seconds = asyncio.get_running_loop().time()
        has_room = len(self._unseen) < UNSEEN_PER_MINUTE or seconds - self._unseen[0] >= REPEAT_SECONDS
        if has_room and self._enter(profile, None, agent, at):
            self._unseen.append(seconds)
            return
        if times := self._left_out.count():
            self._events.info("audit.limited", times=times)

    def _enter(self, profile: str, caller: Caller | None, agent: str, at: datetime, *, is_suspect: bool = True) -> bool:
        """Log a hand-out once a minute for each process, or each agent if the process is not known; whether it did."""
        key = (profile, caller.pid if caller else agent)
        before = self._told.get(key)
        since = (at - before).total_seconds() if before else REPEAT_SECONDS
        if since < REPEAT_SECONDS:
            if caller and is_suspect and since >= TOGETHER_SECONDS:
                self._suspect(profile)
            return False
        if len(self._told) >= REMEMBERED:
            self._told.clear()
        self._told[key] = at
        pid, program = (caller.pid, printable(caller.program)) if caller else (None, None)
        self.last.append(Fetch(profile, pid, program, agent, at))
        self._events.info(
            "credentials.handed_out",
            profile=profile,
            pid=pid,
            program=program,
            agent=agent,
            session_age_seconds=round(self._age_seconds(profile)),
        )
        return True


def family(user_agent: str) -> str:
    """The first product of a User-Agent without its version: `aws-cli/2.36.7 …` is aws-cli.

    A name as long as a token is "unknown". It may be one, and the redaction would miss a part of it.
    """
    first = user_agent.split(" ", 1)[0].split("/", 1)[0]
    if len(first) > AGENT_LETTERS:
        return "unknown"
    return "".join(char for char in first if char.isalnum() or char in "-_.") or "unknown"
