"""Which process got which profile: one event a minute for each pair, and the last few hand-outs for `mayfly status`.

The process is found by its socket's inode while the client still waits, because it may end with the answer. Of a
crowd of clients not every process is looked up. The others are noted by their agent alone.
"""

from __future__ import annotations

import asyncio

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from mayfly.daemon.events import Events
from mayfly.daemon.grants import Grant
from mayfly.daemon.log_counter import LogCounter
from mayfly.daemon.tasks import Tasks
from mayfly.shared.desk import Caller, Desk
from mayfly.shared.text import printable


REPEAT_SECONDS = 60
# Fetches of one process within this time come from clients that it starts at once. A later fetch repeats an earlier
# one, as SDKs do when AWS has refused their credentials.
TOGETHER_SECONDS = 0.2
LOOKUPS_PER_SECOND = 5
WITHOUT_LOOKUP_PER_MINUTE = 20
# A process that has just started is found in 1 ms. It may end as soon as it has its answer, so the answer waits for the
# look-up. An older process is found in up to 200 ms, among 15,000 descriptors of younger ones. It lives on, so its
# look-up may end after the answer.
PATIENCE_SECONDS = 0.05
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
    acting_agent: str | None = None


class _HandOut(NamedTuple):
    """What is known of a hand-out when it happens: by the time the process is found, a reload may drop the profile."""

    profile: str
    grant: Grant | None
    agent: str
    at: datetime
    session_age_seconds: int
    acting_agent: str | None = None


class Audit:
    """Notes hand-outs.

    `age_seconds` returns the age of a session. `suspect` is called with the session that one process
    fetches again within a minute: AWS may have refused the credentials.
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
        self._logged_at: dict[tuple[str, str, int | str], datetime] = {}
        self._callers: dict[int, Caller | None] = {}
        self._lookups_at: deque[float] = deque(maxlen=LOOKUPS_PER_SECOND)
        self._without_lookup_at: deque[float] = deque(maxlen=WITHOUT_LOOKUP_PER_MINUTE)
        self._left_out = LogCounter()
        self._tasks = Tasks(events)
        self.last: deque[Fetch] = deque(maxlen=LAST_FEW)

    def start_lookup(self, inode: int | None) -> None:
        """Look up the client at the socket `inode` while it waits for its credentials."""
        if inode is not None and inode not in self._callers and self._may_look_up():
            self._tasks.spawn(self._look_up(inode))

    async def note(
        self,
        profile: str,
        user_agent: str,
        inode: int | None,
        *,
        pid: int = 0,
        grant: Grant | None = None,
        acting_agent: str | None = None,
    ) -> None:
        """Note that `profile` is handed to the client at the socket `inode`, or to the process `pid`, by a `grant`.

        The grant counts it. `acting_agent` is the coding agent that the process works for, if that was looked up.

        Returns within PATIENCE_SECONDS, also where the desk is slow or fails.
        """
        age_seconds = round(self._age_seconds(grant.session if grant else profile))
        given = _HandOut(profile, grant, product(user_agent), self._clock(), age_seconds, acting_agent)
        if grant:
            grant.note_use(given.at)
        if inode is not None and inode in self._callers:
            self._log(given, self._callers[inode])
        elif inode is None and not pid:
            self._log(given, None)
        elif self._may_look_up():
            work = self._log_client(given, inode) if inode is not None else self._log_process(given, pid)
            await asyncio.wait([self._tasks.spawn(work)], timeout=PATIENCE_SECONDS)
        else:
            self._log_without_lookup(given)

    async def end(self) -> None:
        """Note the hand-outs whose look-up still runs, without a process: nothing is logged after the daemon's end."""
        await self._tasks.end()

    async def _log_client(self, given: _HandOut, inode: int) -> None:
        # A desk that fails is logged by the tasks. The hand-out is noted all the same.
        try:
            await self._look_up(inode)
        finally:
            self._log(given, self._callers.get(inode))

    async def _log_process(self, given: _HandOut, pid: int) -> None:
        """Log without `suspect`: a shell that runs a command twice is no sign that AWS refused its credentials."""
        caller = Caller(pid, "unknown")
        try:
            caller = await self._desk.process(pid) or caller
        finally:
            self._log(given, caller, is_suspect=False)

    async def _look_up(self, inode: int) -> None:
        caller = await self._desk.caller(inode)
        if len(self._callers) >= REMEMBERED:
            self._callers.clear()
        self._callers[inode] = caller

    def _may_look_up(self) -> bool:
        """True a few times a second: each look-up walks through /proc."""
        seconds = asyncio.get_running_loop().time()
        if len(self._lookups_at) == LOOKUPS_PER_SECOND and seconds - self._lookups_at[0] < 1:
            return False
        self._lookups_at.append(seconds)
        return True

    def _log_without_lookup(self, given: _HandOut) -> None:
        """Log the hand-outs to clients that are not looked up, up to a number each minute; count the others."""
        seconds, earlier = asyncio.get_running_loop().time(), self._without_lookup_at
        has_room = len(earlier) < WITHOUT_LOOKUP_PER_MINUTE or seconds - earlier[0] >= REPEAT_SECONDS
        if has_room and self._log(given, None):
            earlier.append(seconds)
            return
        if times := self._left_out.count():
            self._events.info("audit.limited", times=times)

    def _log(self, given: _HandOut, caller: Caller | None, *, is_suspect: bool = True) -> bool:
        """Log a hand-out once a minute for each process, or each agent if the process is not known; whether it did."""
        grant = given.grant if given.grant and given.grant.id else None
        if grant:
            grant.last_used_by = printable(caller.program) if caller else given.agent
        key = (given.profile, grant.id if grant else "", caller.pid if caller else given.agent)
        before = self._logged_at.get(key)
        since = (given.at - before).total_seconds() if before else REPEAT_SECONDS
        if since < REPEAT_SECONDS:
            if caller and is_suspect and since >= TOGETHER_SECONDS:
                self._suspect(grant.session if grant else given.profile)
            return False
        if len(self._logged_at) >= REMEMBERED:
            self._logged_at.clear()
        self._logged_at[key] = given.at
        pid, program = (caller.pid, printable(caller.program)) if caller else (None, None)
        self.last.append(Fetch(given.profile, pid, program, given.agent, given.at, given.acting_agent))
        self._tell(given, grant, pid, program)
        return True

    def _tell(self, given: _HandOut, grant: Grant | None, pid: int | None, program: str | None) -> None:
        if grant is None:
            self._events.info(
                "credentials.handed_out",
                profile=given.profile,
                pid=pid,
                program=program,
                agent=given.agent,
                session_age_seconds=given.session_age_seconds,
                acting_agent=given.acting_agent,
            )
        else:
            self._events.info(
                "credentials.handed_out",
                profile=given.profile,
                grant=grant.id,
                label=grant.label,
                pid=pid,
                program=program,
                agent=given.agent,
                session_age_seconds=given.session_age_seconds,
                acting_agent=given.acting_agent,
            )


def product(user_agent: str) -> str:
    """The first product of a User-Agent without its version: `aws-cli/2.36.7 …` is aws-cli.

    A name as long as a token is "unknown". It may be one, and the redaction would miss a part of it.
    """
    first = user_agent.split(" ", 1)[0].split("/", 1)[0]
    if len(first) > AGENT_LETTERS:
        return "unknown"
    return "".join(char for char in first if char.isalnum() or char in "-_.") or "unknown"
