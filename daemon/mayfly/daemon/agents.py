"""The key `agents` of a profile: the session that its own token opens to a process that works for a coding agent.

A guard rail and no wall: a process of the same user can shed its marks. The desk looks for marks only if the profile
has this key, once for each connection of the endpoint and once for each request on the control socket.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from datetime import datetime, timedelta

from mayfly.config.model import Config
from mayfly.daemon.events import Events
from mayfly.shared.ancestry import UNKNOWN, Agent
from mayfly.shared.desk import Desk
from mayfly.shared.errors import AgentRefused


SAME = "same"
# Each look-up walks through /proc. Clients that come at the same time wait for their turns.
AT_ONCE = 4
REMEMBERED = 1024
LOGGED_AGAIN_AFTER = timedelta(minutes=1)
NOTED_FOR = timedelta(hours=1)
_NOT_YET = {"read-only": " (read-only is not there yet, so it keeps away)", "ask": " (nobody is asked yet)"}


class AgentPolicy:
    """Judges the clients of profiles; `on_refusal` counts a refusal by its cause."""

    def __init__(
        self,
        desk: Desk,
        config: Callable[[], Config],
        events: Events,
        *,
        clock: Callable[[], datetime],
        on_refusal: Callable[[str], None],
    ) -> None:
        self._desk = desk
        self._config = config
        self._events = events
        self._clock = clock
        self._on_refusal = on_refusal
        self._at_once = asyncio.Semaphore(AT_ONCE)
        # By the inode of the client's socket, which has one process as long as it is open.
        self._known: dict[int, Agent | None] = {}
        # By profile and agent, the last one last.
        self._refused_at: dict[tuple[str, Agent], datetime] = {}

    async def session(self, profile: str, *, inode: int = 0, pid: int = 0) -> str:
        """The name of the session that a client may have by the own token of `profile`.

        The client is the process at the socket `inode`, or the process `pid`. Raises AgentRefused.
        """
        if self._mode(profile) == SAME:
            return profile
        agent = await self._agent(inode, pid)
        return self.judge(profile, agent) if agent else profile

    def judge(self, profile: str, agent: Agent) -> str:
        """The name of the session for this agent. Raises AgentRefused.

        Grants complete it: `read-only` returns the subject of a narrowed grant, `ask` waits for the answer on the
        desktop.
        """
        match self._mode(profile):
            case "same":
                return profile
            case mode:
                self._note(profile, agent)
                raise AgentRefused(
                    f'agents = "{mode}" keeps {agent.name} away from {profile}{_NOT_YET.get(mode, "")}',
                    hint=f"a person can run the program with 'mayfly grant {profile} -- COMMAND'",
                )

    def acting(self, inode: int) -> str | None:
        """The name of the agent at a socket that has been looked at; None for any other."""
        agent = self._known.get(inode)
        return agent.name if agent else None

    def notes(self) -> list[str]:
        """For `mayfly status`: who was refused within the last hour."""
        since = self._clock() - NOTED_FOR
        return [
            f'{agent.name} (pid {agent.pid or "unknown"}) was refused {profile}, by agents = "{self._mode(profile)}"'
            for (profile, agent), at in self._refused_at.items()
            if at > since and self._mode(profile) != SAME
        ]

    def _mode(self, profile: str) -> str:
        found = self._config().profiles.get(profile)
        return found.agents if found else SAME

    async def _agent(self, inode: int, pid: int) -> Agent | None:
        if inode in self._known:
            return self._known[inode]
        async with self._at_once:
            agent = await self._desk.agent(inode=inode, pid=pid)
        if inode and agent != UNKNOWN:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[inode] = agent
        return agent

    def _note(self, profile: str, agent: Agent) -> None:
        self._on_refusal("agent")
        key, now = (profile, agent), self._clock()
        if now - self._refused_at.get(key, now - LOGGED_AGAIN_AFTER) >= LOGGED_AGAIN_AFTER:
            if len(self._refused_at) >= REMEMBERED:
                self._refused_at.clear()
            self._refused_at[key] = now
            self._events.warning("agent.refused", profile=profile, acting_agent=agent.name, pid=agent.pid or None)
