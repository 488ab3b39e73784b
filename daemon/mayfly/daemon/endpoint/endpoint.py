"""One request: checked, then answered from memory, or held open and kept alive until the exchange has ended."""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from datetime import datetime
from typing import cast
from weakref import WeakKeyDictionary

from aiohttp import hdrs, web

from mayfly.daemon.agents import AgentPolicy
from mayfly.daemon.audit import TOGETHER_SECONDS, Audit
from mayfly.daemon.endpoint.checks import Checks, Refused
from mayfly.daemon.endpoint.dialects import (
    EVERY_SECONDS,
    FIRST_BYTE_SECONDS,
    FIRST_SPACES_SECONDS,
    INTERIM,
    SPACES,
    Dialect,
    dialect_of,
)
from mayfly.daemon.endpoint.refused_clients import RefusedClients
from mayfly.daemon.endpoint.tokens import Tokens
from mayfly.daemon.grants import Grant
from mayfly.daemon.grants.questions import unanswered
from mayfly.daemon.grants.table import digest, ended_error
from mayfly.daemon.http.answer import Answer, json_answer, refusal
from mayfly.daemon.http.connection import Connection
from mayfly.daemon.keeper import Keeper
from mayfly.session.trigger import Requester, Trigger
from mayfly.shared.credentials import Credentials, container_body
from mayfly.shared.errors import ApprovalPending, ConfigChanged, ExchangePending, MayflyError


_HEALTHY = json_answer(200, {"status": "ok"})
_CHUNKED_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_SPACE_CHUNK = b"%x\r\n%b\r\n" % (SPACES, b" " * SPACES)


class Endpoint:
    """Answers `GET /credentials/PROFILE` and `GET /healthz`."""

    def __init__(
        self,
        keeper: Keeper,
        tokens: Tokens,
        audit: Audit,
        agents: AgentPolicy,
        refused_clients: RefusedClients,
        *,
        clock: Callable[[], datetime],
        on_refusal: Callable[[str], None],
    ) -> None:
        self._keeper = keeper
        self._tokens = tokens
        self._audit = audit
        self._agents = agents
        self._refused_clients = refused_clients
        self._on_refusal = on_refusal
        # Weak, so that credentials that are forgotten do not live on here.
        self._rendered: WeakKeyDictionary[Credentials, Answer] = WeakKeyDictionary()
        self._clock = clock
        self._checks = Checks(self._find, self._ended)

    async def handle(self, request: web.BaseRequest) -> Answer:
        """The answer to one request."""
        try:
            grant = self._checks.run(request)
        except Refused as refused:
            has_token = refused.refusal.cause == "token" and hdrs.AUTHORIZATION in request.headers
            if not (has_token and await self._tokens.renewed()):
                return self._refused(refused)
            return await self.handle(request)
        if grant is None:
            return _HEALTHY
        try:
            grant = await self._agents.opened(grant, inode=_inode(request) or 0)
        except MayflyError as error:
            return self._failed(grant.profile, error)
        credentials = self._keeper.take(grant.session, _requester(request)) if grant.is_allowed else None
        if credentials is None:
            return await self._wait(request, grant)
        answer = await self._hand_out(request, grant, request.headers.get(hdrs.USER_AGENT, ""), credentials)
        _connection(request).allow_repeat(self._repeat(request, grant.profile))
        return answer

    def _repeat(self, request: web.BaseRequest, profile: str) -> Callable[[], Answer | None]:
        """A function that answers the same request again on the same connection; see `Connection.allow_repeat`.

        It judges the token, what the token leaves to an agent, and the credentials each time. All other checks rest on
        the bytes of the request and on the client's process, which stay the same. The audit ignores what a process
        fetches within TOGETHER_SECONDS, so after that time the request is handled as a whole.
        """
        token, requester = digest(request.headers[hdrs.AUTHORIZATION]), _requester(request)
        inode, seconds = _inode(request) or 0, asyncio.get_running_loop().time
        until_seconds = seconds() + TOGETHER_SECONDS

        def answer() -> Answer | None:
            now = self._clock()
            found = self._tokens.table.find_again(token, profile, now)
            grant = self._agents.opened_again(found, inode) if found and seconds() < until_seconds else None
            if grant is None or not grant.is_allowed:
                return None
            credentials = self._keeper.take(grant.session, requester)
            if credentials is None:
                return None
            grant.note_use(now)
            grant.note_handed_out(credentials)
            return self._render(credentials)

        return answer

    def _find(self, token: str, profile: str) -> Grant | None:
        return self._tokens.table.find(token, profile, self._clock())

    def _ended(self, token: str, profile: str) -> MayflyError | None:
        cause = self._tokens.table.ended(token, profile, self._clock())
        return ended_error(profile, cause) if cause else None

    def _refused(self, refused: Refused) -> Answer:
        self._on_refusal(refused.refusal.cause)
        if refused.profile in self._keeper.config.profiles:
            self._refused_clients.unauthorized(refused.profile)
        return refused.refusal.answer

    async def _hand_out(self, request: web.BaseRequest, grant: Grant, agent: str, credentials: Credentials) -> Answer:
        """The answer with credentials, noted in the audit; raises ConnectionResetError if the client has gone."""
        if not _connection(request).is_open:
            raise ConnectionResetError("the client has gone")
        grant.note_handed_out(credentials)
        inode, pid = _inode(request), _connection(request).pid
        acting_agent = self._agents.acting(inode or 0)
        await self._audit.note(grant.profile, agent, inode, pid=pid, grant=grant, acting_agent=acting_agent)
        self._refused_clients.served(grant.profile)
        return self._render(credentials)

    def _render(self, credentials: Credentials) -> Answer:
        """The answer with these credentials, rendered once for each session."""
        known = self._rendered.get(credentials)
        if known is None:
            known = self._rendered[credentials] = Answer(200, container_body(credentials))
        return known

    async def _wait(self, request: web.BaseRequest, grant: Grant) -> Answer:
        agent = request.headers.get(hdrs.USER_AGENT, "")
        self._audit.start_lookup(_inode(request))
        work = asyncio.ensure_future(self._obtain(request, grant, agent))
        dialect = dialect_of(request.headers, request.version)
        try:
            with _connection(request).awaiting(grant.session):
                if dialect is Dialect.WHITE_SPACE:
                    return await self._send_white_space(request, work)
                if dialect is Dialect.INTERIM:
                    await self._keep_alive(request, work, INTERIM, first_seconds=FIRST_BYTE_SECONDS)
                return await work
        finally:
            work.cancel()

    async def _obtain(self, request: web.BaseRequest, grant: Grant, agent: str) -> Answer:
        """The final answer, after `cold_wait_seconds` at most. The exchange goes on beyond that."""
        try:
            async with asyncio.timeout(self._keeper.config.cold_wait_seconds):
                found, credentials = await self._judged_credentials(request, grant)
        except TimeoutError:
            return self._failed(grant.profile, self._pending(grant))
        except MayflyError as error:
            # A session's last error is raised for each client. It must not keep the frames of all of them.
            error.__traceback__ = None
            return self._ended_meanwhile(request, grant) or self._failed(grant.profile, error)
        except Refused as refused:
            return self._refused(refused)
        return await self._hand_out(request, found, agent, credentials)

    def _ended_meanwhile(self, request: web.BaseRequest, grant: Grant) -> Answer | None:
        """The refusal of a grant that has ended while its client waited: that says more than the wait's own error."""
        try:
            if grant.id and grant.digest:
                self._checks.run(request)
        except Refused as refused:
            return self._refused(refused)
        return None

    async def _judged_credentials(self, request: web.BaseRequest, grant: Grant) -> tuple[Grant, Credentials]:
        """Credentials of the session that the client may have once they are there, and by which grant."""
        requester = _requester(request)
        while True:
            if not grant.is_allowed:
                await self._tokens.allow(grant, requester)
                # The grant may have ended while a person was asked.
                self._checks.run(request)
            credentials = await self._keeper.obtain(grant.session, Trigger.CLIENT, requester)
            # While the client waited, the token may have been rotated, its grant have ended, the config have changed.
            now_opened = self._checks.run(request) or grant
            now_opened = await self._agents.opened(now_opened, inode=_inode(request) or 0)
            if now_opened.is_allowed and now_opened.session == grant.session:
                return now_opened, credentials
            grant = now_opened

    def _failed(self, profile: str, error: MayflyError) -> Answer:
        """An error in the place of credentials. The person is told of it, too."""
        self._refused_clients.failed(profile, error)
        return refusal(error.http_status, error.code, error.sentence(profile))

    def _pending(self, grant: Grant) -> MayflyError:
        """The error for a client that has waited for `cold_wait_seconds`."""
        if not grant.is_allowed:
            return unanswered(grant)
        profile = grant.profile
        try:
            asks_human = self._keeper.asks_human(profile)
        except ConfigChanged as error:
            return error
        if asks_human:
            # The prompt may not be up yet, or have been approved already.
            return ApprovalPending("the login goes on, and may need your approval in 1Password", hint=_login(profile))
        return ExchangePending(f"the credentials are not there after {self._keeper.config.cold_wait_seconds:g} s")

    async def _keep_alive(
        self, request: web.BaseRequest, work: asyncio.Future[Answer], sign: bytes, *, first_seconds: float
    ) -> None:
        """Write `sign` again and again until `work` is done; raises ConnectionResetError if the client has gone."""
        seconds = first_seconds
        while True:
            done, _ = await asyncio.wait([work], timeout=seconds)
            if done:
                return
            _connection(request).write(sign)
            seconds = EVERY_SECONDS

    async def _send_white_space(self, request: web.BaseRequest, work: asyncio.Future[Answer]) -> Answer:
        """For C++: begin a 200 with white space. No error may follow, because SDKs take an error for empty keys."""
        done, _ = await asyncio.wait([work], timeout=FIRST_SPACES_SECONDS)
        if done:
            return work.result()
        transport = request.transport
        _connection(request).write(_CHUNKED_HEAD + _SPACE_CHUNK)
        try:
            await self._keep_alive(request, work, _SPACE_CHUNK, first_seconds=EVERY_SECONDS)
            return LastChunks(work.result())
        except BaseException:
            if transport is not None:
                transport.abort()
            raise


class LastChunks(Answer):
    """The end of a chunked 200 that has begun; raises ConnectionResetError for any other status."""

    def __init__(self, answer: Answer) -> None:
        if answer.status != 200:
            raise ConnectionResetError("no error may follow a 200")
        super().__init__(200, answer.body)
        self.open = self.last = b"%x\r\n%b\r\n0\r\n\r\n" % (len(answer.body), answer.body)


def _connection(request: web.BaseRequest) -> Connection:
    return cast(Connection, request.protocol)


def _inode(request: web.BaseRequest) -> int | None:
    """The inode of the client's socket; None for a client of a grant's socket, whose pid is known instead."""
    peer = _connection(request).peer
    return peer.inode if peer and not peer.pid else None


def _requester(request: web.BaseRequest) -> Requester:
    return Requester(_inode(request) or 0, _connection(request).pid)


def _login(profile: str) -> str:
    return f"run 'mayfly login {profile}'"
