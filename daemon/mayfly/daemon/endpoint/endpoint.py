"""One request: checked, then answered from memory, or held open and kept alive until the exchange has ended."""

from __future__ import annotations

import asyncio

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import cast
from weakref import WeakKeyDictionary

from aiohttp import hdrs, web

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
from mayfly.daemon.grants import Grants, digest
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
    """Answers `GET /credentials/PROFILE` and `GET /healthz`.

    `tokens_renewed` reads the tokens on disk if they have changed, and returns True if a client must be judged again.
    """

    def __init__(
        self,
        keeper: Keeper,
        grants: Grants,
        audit: Audit,
        refused_clients: RefusedClients,
        *,
        clock: Callable[[], datetime],
        on_refusal: Callable[[str], None],
        tokens_renewed: Callable[[], Awaitable[bool]],
    ) -> None:
        self._keeper = keeper
        self._tokens_renewed = tokens_renewed
        self._audit = audit
        self._refused_clients = refused_clients
        self._on_refusal = on_refusal
        # Weak, so that credentials that are forgotten do not live on here.
        self._rendered: WeakKeyDictionary[Credentials, Answer] = WeakKeyDictionary()
        self._grants = grants
        self._clock = clock
        self._checks = Checks(self._opens)

    async def handle(self, request: web.BaseRequest) -> Answer:
        """The answer to one request."""
        try:
            profile = self._checks.run(request)
        except Refused as refused:
            has_token = refused.refusal.cause == "token" and hdrs.AUTHORIZATION in request.headers
            if not (has_token and await self._tokens_renewed()):
                return self._refused(refused)
            return await self.handle(request)
        if profile is None:
            return _HEALTHY
        credentials = self._keeper.take(profile, Requester(_inode(request) or 0))
        if credentials is None:
            return await self._wait(request, profile)
        answer = await self._hand_out(request, profile, request.headers.get(hdrs.USER_AGENT, ""), credentials)
        _connection(request).allow_repeat(self._repeat(request, profile))
        return answer

    def _repeat(self, request: web.BaseRequest, profile: str) -> Callable[[], Answer | None]:
        """A function that answers the same request again on the same connection; see `Connection.allow_repeat`.

        It judges the token and the credentials each time. The other checks depend on the bytes of the request and on
        the client's process, which stay the same. The audit ignores what a process fetches within TOGETHER_SECONDS, so
        after that time the request is handled as a whole.
        """
        token, requester = digest(request.headers[hdrs.AUTHORIZATION]), Requester(_inode(request) or 0)
        seconds = asyncio.get_running_loop().time
        until_seconds = seconds() + TOGETHER_SECONDS

        def answer() -> Answer | None:
            if seconds() >= until_seconds or not self._grants.still_opens(token, profile, self._clock()):
                return None
            credentials = self._keeper.take(profile, requester)
            return None if credentials is None else self._render(credentials)

        return answer

    def _opens(self, token: str, profile: str) -> bool:
        return self._grants.opens(token, profile, self._clock())

    def _refused(self, refused: Refused) -> Answer:
        self._on_refusal(refused.refusal.cause)
        if refused.profile in self._keeper.config.profiles:
            self._refused_clients.unauthorized(refused.profile)
        return refused.refusal.answer

    async def _hand_out(self, request: web.BaseRequest, profile: str, agent: str, credentials: Credentials) -> Answer:
        """The answer with credentials, noted in the audit; raises ConnectionResetError if the client has gone."""
        if not _connection(request).is_open:
            raise ConnectionResetError("the client has gone")
        await self._audit.note(profile, agent, _inode(request))
        self._refused_clients.served(profile)
        return self._render(credentials)

    def _render(self, credentials: Credentials) -> Answer:
        """The answer with these credentials, rendered once for each session."""
        known = self._rendered.get(credentials)
        if known is None:
            known = self._rendered[credentials] = Answer(200, container_body(credentials))
        return known

    async def _wait(self, request: web.BaseRequest, profile: str) -> Answer:
        agent = request.headers.get(hdrs.USER_AGENT, "")
        self._audit.start_lookup(_inode(request))
        work = asyncio.ensure_future(self._obtain(request, profile, agent))
        dialect = dialect_of(request.headers, request.version)
        try:
            with _connection(request).awaiting(profile):
                if dialect is Dialect.WHITE_SPACE:
                    return await self._send_white_space(request, work)
                if dialect is Dialect.INTERIM:
                    await self._keep_alive(request, work, INTERIM, first_seconds=FIRST_BYTE_SECONDS)
                return await work
        finally:
            work.cancel()

    async def _obtain(self, request: web.BaseRequest, profile: str, agent: str) -> Answer:
        """The final answer, after `cold_wait_seconds` at most. The exchange goes on beyond that."""
        requester = Requester(_inode(request) or 0)
        try:
            async with asyncio.timeout(self._keeper.config.cold_wait_seconds):
                credentials = await self._keeper.obtain(profile, Trigger.CLIENT, requester)
        except TimeoutError:
            return self._failed(profile, self._pending(profile))
        except MayflyError as error:
            # A session's last error is raised for each client. It must not keep the frames of all of them.
            error.__traceback__ = None
            return self._failed(profile, error)
        try:
            # The token may have been rotated while the client waited.
            self._checks.run(request)
        except Refused as refused:
            return self._refused(refused)
        return await self._hand_out(request, profile, agent, credentials)

    def _failed(self, profile: str, error: MayflyError) -> Answer:
        """An error in the place of credentials. The person is told of it, too."""
        self._refused_clients.failed(profile, error)
        return refusal(error.http_status, error.code, error.sentence(profile))

    def _pending(self, profile: str) -> MayflyError:
        """The error for a client that has waited for `cold_wait_seconds`."""
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
    """The inode of the client's socket."""
    peer = _connection(request).peer
    return peer.inode if peer else None


def _login(profile: str) -> str:
    return f"run 'mayfly login {profile}'"
