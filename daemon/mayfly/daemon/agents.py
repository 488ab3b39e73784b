"""The key `agents` of a profile: the session that its own token opens to a process that works for a coding agent.

A guard rail and no wall: a process of the same user can shed its marks. The desk looks for marks only if the profile
has this key, once for each connection of the endpoint and once for each request on the control socket.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from datetime import datetime, timedelta

from mayfly.config.model import Config, Profile, RoleProfile
from mayfly.daemon.events import Events
from mayfly.daemon.grants import AgentGrants, Grant, narrowing
from mayfly.daemon.grants.order import Order
from mayfly.daemon.grants.questions import denied
from mayfly.daemon.grants.table import Ask
from mayfly.session.trigger import Requester
from mayfly.shared.ancestry import UNKNOWN, Agent
from mayfly.shared.desk import Desk
from mayfly.shared.errors import AgentRefused


SAME = "same"
# Each look-up walks through /proc. Further clients wait for their turn.
AT_ONCE = 4
REMEMBERED = 1024
LOGGED_AGAIN_AFTER = timedelta(minutes=1)
NOTED_FOR = timedelta(hours=1)


class AgentPolicy:
    """Judges the clients of profiles; `on_refusal` counts a refusal by its cause, `grants` are those for agents."""

    def __init__(
        self,
        desk: Desk,
        config: Callable[[], Config],
        events: Events,
        grants: AgentGrants,
        *,
        clock: Callable[[], datetime],
        on_refusal: Callable[[str], None],
    ) -> None:
        self._desk = desk
        self._config = config
        self._events = events
        self._grants = grants
        self._clock = clock
        self._on_refusal = on_refusal
        self._at_once = asyncio.Semaphore(AT_ONCE)
        # By the inode of the client's socket, which has one process as long as it is open.
        self._known: dict[int, Agent | None] = {}
        # By profile and agent, in the order of the first refusal.
        self._refused_at: dict[tuple[str, Agent], datetime] = {}

    def look(self) -> None:
        """End the grants of agents that have not been used for long."""
        self._grants.look()

    async def opened(self, own: Grant, *, inode: int = 0, pid: int = 0) -> Grant:
        """The grant for a client with the token of `own`: the same, or what `agents` leaves to an agent.

        The client is the process at the socket `inode`, or the process `pid`. A grant that was ordered serves every
        holder of its token. The result may have to ask first (`is_allowed`). Raises AgentRefused and GrantNotAllowed.
        """
        if own.id or self._mode(own.profile) == SAME:
            return own
        agent = await self._agent(inode, pid)
        return self._judge(own, agent) if agent else own

    def opened_again(self, own: Grant, inode: int) -> Grant | None:
        """`opened` without waiting, for a socket that was looked at before; None for others, and for a refusal."""
        if own.id or self._mode(own.profile) == SAME:
            return own
        agent = self._known.get(inode, UNKNOWN)
        if agent is None:
            return own
        is_refused = agent == UNKNOWN or self._mode(own.profile) == "deny"
        found = None if is_refused else self._judge(own, agent)
        return found if found and found.is_allowed else None

    async def allow(self, grant: Grant, requester: Requester) -> None:
        """Return if a person allows what `opened` has returned; raises GrantNotAllowed."""
        await self._grants.allow(grant, requester)

    async def check_order(self, order: Order, pid: int) -> None:
        """Raise AgentRefused or GrantNotAllowed if the process `pid` may not order such a grant.

        An agent gets no more by a grant than by the profile's own token.
        """
        mode, profile = self._mode(order.profile), self._config().profiles.get(order.profile)
        agent = await self._agent(0, pid) if mode != SAME else None
        if agent is None or (mode == "read-only" and profile and _is_read_only(order, profile)):
            return
        if mode == "read-only":
            self._note(order.profile, agent)
            raise AgentRefused(
                f'agents = "{mode}" lets {agent.name} make read-only grants of {order.profile}, and no others',
                hint=f"'mayfly grant {order.profile} --read-only -- COMMAND', or have a person make it",
            )
        found = self._judge(Grant.of_profile(order.profile, b""), agent)
        await self._grants.allow(found, Requester(pid=pid))

    async def check_yes(self, grant: Grant, pid: int) -> None:
        """Raise AgentRefused if an agent says yes to a grant of a profile that treats agents otherwise."""
        if self._mode(grant.profile) != SAME and (agent := await self._agent(0, pid)):
            self._note(grant.profile, agent)
            raise AgentRefused(
                f"{agent.name} works for a person, and only that person may approve",
                hint=f"run 'mayfly approve {grant.id}' in a terminal of your own",
            )

    def _judge(self, own: Grant, agent: Agent) -> Grant:
        """The grant for this agent. Raises AgentRefused, and GrantNotAllowed after a no."""
        profile = own.profile
        match self._mode(profile):
            case "same":
                return own
            case "read-only":
                return self._grants.read_only(profile, agent)
            case "ask" if agent != UNKNOWN:
                found = self._grants.asking(profile, agent)
                if found.ask is Ask.DENIED:
                    self._note(profile, agent)
                    raise denied(found)
                return found
            case mode:
                self._note(profile, agent)
                raise AgentRefused(
                    f'agents = "{mode}" keeps {agent.name} away from {profile}',
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


def _is_read_only(order: Order, profile: Profile) -> bool:
    return isinstance(profile, RoleProfile) and narrowing.is_read_only(order.words, order.narrowing, profile.role_arn)
