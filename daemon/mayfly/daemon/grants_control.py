"""The routes of grants on the control socket. The body of the first is in grants/order.py.

POST   /grants               make a grant
GET    /grants               all grants in force
DELETE /grants/ID            end one: the next request with its token is 401
POST   /grants/ID/hold       hold it, by an answer that goes on; when the caller leaves, the grant ends
POST   /grants/ID/approve    a person says yes to one that asks
POST   /grants/ID/deny       a person says no
"""

from __future__ import annotations

import asyncio
import json

from typing import Any, cast

from aiohttp import web

from mayfly.config.model import RoleProfile
from mayfly.daemon.agents import AgentPolicy
from mayfly.daemon.grants import Grant, Registry, order, rules
from mayfly.daemon.grants.new_grant import Made
from mayfly.daemon.grants.table import ENV, FILE
from mayfly.daemon.http.answer import Answer, json_answer, refusal
from mayfly.daemon.http.body import BodyInvalid, read_body
from mayfly.daemon.http.connection import Connection
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.routes import Call, Routes, awaiting
from mayfly.shared.credentials import instant_text, process_body
from mayfly.shared.errors import GrantRefused
from mayfly.shared.grant import session_name


_HOLD_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-store\r\n\r\n"


class GrantsControl:
    """Answers the calls; `registry` does the work."""

    def __init__(self, registry: Registry, keeper: Keeper, agents: AgentPolicy) -> None:
        self._registry = registry
        self._keeper = keeper
        self._agents = agents
        self.routes: dict[str, Routes] = {
            "/grants": {"GET": self._list, "POST": self._make},
            "/grants/ID": {"DELETE": self._revoke},
            "/grants/ID/hold": {"POST": self._hold},
            "/grants/ID/approve": {"POST": self._approve},
            "/grants/ID/deny": {"POST": self._deny},
        }

    async def _make(self, call: Call) -> Answer:
        try:
            wanted = order.parse(await read_body(call.request, order.BODY_BYTES))
        except BodyInvalid:
            raise GrantRefused(
                f"the body of POST /grants has more than {order.BODY_BYTES} bytes, or ends late"
            ) from None
        if wanted.profile not in self._keeper.config.profiles:
            return refusal(
                404, "UnknownProfile", f"there is no profile {wanted.profile[:64]} in {self._keeper.config.source}"
            )
        with awaiting(call, wanted.profile):
            await self._agents.check_order(wanted, call.pid)
            made = await self._registry.create(wanted, call.pid)
        if not cast(Connection, call.request.protocol).is_open:
            # Nobody has its token.
            await self._registry.revoke(made.grant)
            raise ConnectionResetError("the client has gone")
        return json_answer(200, self._made(made))

    def _made(self, made: Made) -> dict[str, Any]:
        grant, paths = made.grant, made.paths
        return _terms(grant) | {
            "session_name": self._session_name(grant),
            "outlives_seconds": rules.OUTLIVES_SECONDS if grant.has_own_session else 0,
            "token": made.token,
            "token_path": made.token_path,
            "socket": paths.socket,
            "folder": paths.folder,
            "config_file": paths.config_file,
            "credentials_file": paths.credentials_file,
            "credentials": json.loads(process_body(made.credentials))
            if made.credentials and grant.delivery == ENV
            else None,
            "warnings": made.warnings,
        }

    def _session_name(self, grant: Grant) -> str | None:
        """The RoleSessionName of its own session; None where it has none."""
        profile = self._keeper.config.profiles.get(grant.profile)
        if not grant.has_own_session:
            return None
        own = profile.role_session_name if isinstance(profile, RoleProfile) else None
        return own or session_name(grant.label, grant.id)

    async def _list(self, _call: Call) -> Answer:
        return json_answer(200, [self._row(grant) for grant in self._registry.all()])

    def _row(self, grant: Grant) -> dict[str, Any]:
        has_uses = grant.delivery not in (FILE, ENV)
        return _terms(grant) | {
            "uses": grant.uses if has_uses else None,
            "last_used_by": grant.last_used_by,
            "last_used_at": instant_text(grant.last_used_at) if grant.last_used_at else None,
            "state": grant.ask.value,
            "held": grant.is_held,
            "session_name": self._session_name(grant),
        }

    async def _revoke(self, call: Call) -> Answer:
        grant = self._registry.named(call.grant_id)
        until = await self._registry.revoke(grant)
        name = self._session_name(grant)
        return json_answer(
            200, {"id": grant.id, "session_name": name, "outlives_until": instant_text(until) if until else None}
        )

    async def _approve(self, call: Call) -> Answer:
        await self._agents.check_yes(self._registry.named(call.grant_id), call.pid)
        return self._said(call, is_allowed=True)

    async def _deny(self, call: Call) -> Answer:
        return self._said(call, is_allowed=False)

    def _said(self, call: Call, *, is_allowed: bool) -> Answer:
        grant = self._registry.named(call.grant_id)
        self._registry.decide(grant, is_allowed=is_allowed)
        return json_answer(200, self._row(grant))

    async def _hold(self, call: Call) -> Answer:
        return HoldStream(self._registry, self._registry.named(call.grant_id))


class HoldStream(Answer):
    """Holds a grant until the caller leaves, the grant ends or the daemon stops. It tells which: `{"ended": cause}`."""

    def __init__(self, registry: Registry, grant: Grant) -> None:
        super().__init__(200, b"")
        self._registry = registry
        self._grant = grant

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the first line, then wait."""
        connection = cast(Connection, request.protocol)
        connection.is_stream = True
        ended = self._registry.hold(self._grant)
        try:
            connection.write(_HOLD_HEAD + _line({"held": True}))
            # Shielded: who leaves cancels this, and the future must not look as if the grant had ended.
            cause = await asyncio.shield(ended)
            if cause:
                connection.write(_line({"ended": cause}))
        finally:
            self._registry.leave(self._grant, ended, may_return=connection.was_turned_away)
        raise ConnectionResetError("the stream has ended")


def _terms(grant: Grant) -> dict[str, Any]:
    """What each answer about a grant has."""
    return {
        "id": grant.id,
        "label": grant.label,
        "profile": grant.profile,
        "narrowing": grant.words or None,
        "as": grant.delivery,
        "ends_at": instant_text(grant.ends_at) if grant.ends_at else None,
    }


def _line(tree: dict[str, Any]) -> bytes:
    return json.dumps(tree).encode() + b"\n"
