"""Grants that the daemon makes by itself: what a profile's `agents` leaves to coding agents with the profile's token.

`read-only`: one for each profile and agent program, with a session of its own, which CloudTrail shows by the agent's
name. `ask`: one for each profile and agent process, which asks a person once, and opens the profile's own session.

They end when the config leaves something else to agents, when they are revoked, after MAX_SECONDS, and with the daemon;
those that narrow also when they are not used for long. The agent's next request makes a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from mayfly.config.model import Config
from mayfly.daemon.grants import narrowing, rules
from mayfly.daemon.grants.new_grant import new_grant
from mayfly.daemon.grants.order import Order
from mayfly.daemon.grants.registry import Registry
from mayfly.daemon.grants.table import AGENT, UNUSED, Ask, Grant
from mayfly.session.trigger import Requester
from mayfly.shared.ancestry import Agent
from mayfly.shared.grant import MAX_SECONDS, label_from


USUAL_LABEL = "agent"
UNUSED_FOR = timedelta(hours=1)
# An agent names itself, so there may be any number.
MOST = 256

_Key = tuple[str, str, int, int]


class _Known(NamedTuple):
    grant: Grant
    made_at: datetime


class AgentGrants:
    """Makes grants for agents when they are needed; `registry` has them with all others."""

    def __init__(self, registry: Registry, config: Callable[[], Config], *, clock: Callable[[], datetime]) -> None:
        self._registry = registry
        self._config = config
        self._clock = clock
        # In the order of their last use.
        self._known: dict[_Key, _Known] = {}

    def read_only(self, profile: str, agent: Agent) -> Grant:
        """The grant that narrows the profile's role for all processes of this agent."""
        label = _label(agent)
        order = Order(profile, label, MAX_SECONDS, delivery=AGENT, words=narrowing.READ_ONLY)
        return self._kept((profile, label, 0, 0)) or self._made((profile, label, 0, 0), order, agent)

    def asking(self, profile: str, agent: Agent) -> Grant:
        """The grant that asks a person for this very process of an agent."""
        key = (profile, _label(agent), agent.pid, agent.started)
        return self._kept(key) or self._made(
            key, Order(profile, _label(agent), MAX_SECONDS, delivery=AGENT, asks=True), agent
        )

    async def allow(self, grant: Grant, requester: Requester) -> None:
        """Return if a person allows it; raises GrantNotAllowed."""
        await self._registry.allow(grant, requester)

    def look(self) -> None:
        """End the narrowed grants that have not been used for UNUSED_FOR. Those that ask stay, and with them a no."""
        now = self._clock()
        for key, (grant, made_at) in list(self._known.items()):
            if grant.id not in self._registry:
                del self._known[key]
            elif grant.ask is Ask.NONE and now - (grant.last_used_at or made_at) >= UNUSED_FOR:
                self._registry.end(grant, UNUSED)
                del self._known[key]

    def _kept(self, key: _Key) -> Grant | None:
        found = self._known.pop(key, None)
        if found is None or found.grant.id not in self._registry or not found.grant.is_in_force(self._clock()):
            return None
        self._known[key] = found
        return found.grant

    def _made(self, key: _Key, order: Order, agent: Agent) -> Grant:
        self.look()
        if len(self._known) >= MOST:
            self._registry.end(self._known.pop(next(iter(self._known))).grant, UNUSED)
        config, now = self._config(), self._clock()
        order = order if order.asks else rules.checked(order, config)
        grant = new_grant(order, config, None, self._registry, now)
        if order.asks:
            grant.session = grant.profile
        self._registry.put(grant, agent.pid)
        self._known[key] = _Known(grant, now)
        return grant


def _label(agent: Agent) -> str:
    return label_from(agent.name, USUAL_LABEL)
