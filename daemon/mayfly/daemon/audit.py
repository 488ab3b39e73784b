"""Who got what: one event for each process and profile in a minute, and the last few for `mayfly status`.

The process is found through the socket's inode while the client still waits, because afterwards it may be gone; clients
that come in great numbers are answered first and looked at less: then they are told by their agent alone.
"""

from __future__ import annotations

import asyncio

from collections import deque
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, NamedTuple

from mayfly.daemon.events import Events
from mayfly.daemon.log_counter import LogCounter
from mayfly.shared.desk import Caller, Desk
from mayfly.shared.text import printable


REPEAT_SECONDS = 60
# Clients of one process that start together are no sign of anything; SDKs fetch again at once after a refusal.
TOGETHER_SECONDS = 0.2
LOOKUPS_PER_SECOND = 5
UNSEEN_PER_MINUTE = 20
# A look takes 3 ms, and some 12 among thousands of descriptors. A client that has its answer may be gone before it is
# found: so on a busy machine the look is waited for, and no longer where the desk is no help.
PATIENCE_SECONDS = 0.1
AGENT_LETTERS = 32
LAST_FEW = 10
REMEMBERED = 1024


class Fetch(NamedTuple):
    """One hand-out: which program got which profile, and when."""

    profile: str
    pid: int | None
    program: str | None
    agent: str
    at: datetime


class Audit:
    """Notes hand-outs.

    `age_seconds` tells how old a profile's session is; `suspect` hears of a process that fetches it again within a
    minute.
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
        self._tasks: set[asyncio.Task[None]] = set()
        self.last: deque[Fetch] = deque(maxlen=LAST_FEW)

    def meet(self, inode: int | None) -> None:
        """A client at the socket `inode` will have to wait for its credentials: look meanwhile who it is."""
        if inode is not None and inode not in self._known and self._may_look():
            self._spawn(self._find(inode))

    async def note(self, profile: str, user_agent: str, inode: int | None, *, pid: int = 0) -> None:
        """A client, at the socket `inode` or the process `pid`, is being given `profile`.

        Returns soon, whatever the desk does.
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
            await asyncio.wait([self._spawn(look)], timeout=PATIENCE_SECONDS)
        else:
            self._enter_unseen(profile, agent, at)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _look(self, profile: str, agent: str, inode: int, at: datetime) -> None:
        await self._find(inode)
        self._enter(profile, self._known.get(inode), agent, at)

    async def _look_up(self, profile: str, agent: str, pid: int, at: datetime) -> None:
        """A shell that runs a command twice is no sign of a refusal: so nobody is suspected."""
        caller = await self._desk.process(pid)
        self._enter(profile, caller or Caller(pid, "unknown"), agent, at, is_suspect=False)

    async def _find(self, inode: int) -> None:
        caller = await self._desk.caller(inode)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[inode] = caller

    def _may_look(self) -> bool:
        """At most a few look-ups a second: each walks through /proc."""
        seconds = asyncio.get_running_loop().time()
        if len(self._lookups) == LOOKUPS_PER_SECOND and seconds - self._lookups[0] < 1:
            return False
        self._lookups.append(seconds)
        return True

    def _enter_unseen(self, profile: str, agent: str, at: datetime) -> None:
        """There is no time to look who it is: it is told all the same, and what is not told is counted."""
        seconds = asyncio.get_running_loop().time()
        has_room = len(self._unseen) < UNSEEN_PER_MINUTE or seconds - self._unseen[0] >= REPEAT_SECONDS
        if has_room and self._enter(profile, None, agent, at):
            self._unseen.append(seconds)
            return
        if times := self._left_out.count():
            self._events.info("audit.limited", times=times)

    def _enter(self, profile: str, caller: Caller | None, agent: str, at: datetime, *, is_suspect: bool = True) -> bool:
        """Whether it is told: once a minute, for each process, or each agent where the process is not known."""
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

    No program has a name as long as a token, of which no part is to be told: the redaction knows only whole ones.
    """
    first = user_agent.split(" ", 1)[0].split("/", 1)[0]
    if len(first) > AGENT_LETTERS:
        return "unknown"
    return "".join(char for char in first if char.isalnum() or char in "-_.") or "unknown"
