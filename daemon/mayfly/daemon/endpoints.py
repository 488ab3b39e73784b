"""The endpoints of a daemon: one on the port, and one on each grant's own socket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from mayfly.daemon.agents import AgentPolicy
from mayfly.daemon.audit import Audit
from mayfly.daemon.delivery.judge import OnlyGrant
from mayfly.daemon.endpoint import Endpoint
from mayfly.daemon.endpoint.refused_clients import RefusedClients
from mayfly.daemon.endpoint.tokens import Tokens
from mayfly.daemon.events import Events
from mayfly.daemon.keeper import Keeper


class Endpoints:
    """Makes endpoints, which differ in the tokens that count."""

    def __init__(
        self,
        keeper: Keeper,
        audit: Audit,
        agents: AgentPolicy,
        events: Events,
        *,
        clock: Callable[[], datetime],
        on_refusal: Callable[[str], None],
    ) -> None:
        self._keeper = keeper
        self._audit = audit
        self._agents = agents
        self._events = events
        self._clock = clock
        self._on_refusal = on_refusal

    def with_tokens(self, tokens: Tokens) -> Endpoint:
        """An endpoint on which these tokens count."""
        return Endpoint(
            self._keeper,
            tokens,
            self._audit,
            self._agents,
            RefusedClients(self._events, self._clock),
            clock=self._clock,
            on_refusal=self._on_refusal,
        )

    def with_token_of(self, grant_id: str, tokens: Tokens) -> Endpoint:
        """An endpoint on which only the grant's token counts, and no other of these."""
        return self.with_tokens(tokens._replace(table=OnlyGrant(tokens.table, grant_id), renewed=_no_tokens))


async def _no_tokens() -> bool:
    """On a grant's socket no profile's token counts, renewed or not."""
    return False
