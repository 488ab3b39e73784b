"""The embedded STS's server: what `mayfly demo` and the tests talk to instead of AWS.

A real HTTP server on a free port of 127.0.0.1. It checks signature, session token and MFA code as AWS does, records
every call, and misbehaves on request (`faults`). It knows GetCallerIdentity, GetSessionToken and AssumeRole, and of IAM
ListMFADevices.

    async with EmbeddedSts(account) as sts:
        client = session.create_client("sts", endpoint_url=sts.url, …)

`python -m mayfly.demo.sts` runs it as a process.
"""

import asyncio

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from aiohttp import web

from mayfly.demo.sts.account import Account, Role, User
from mayfly.demo.sts.context import Call, RequestContext
from mayfly.demo.sts.faults import ERRORS, UNREADABLE, WRONG_ACCOUNT_ID, Fault, Faults
from mayfly.demo.sts.http import http_response, read, reset
from mayfly.demo.sts.mfa import code_at, step_at
from mayfly.demo.sts.responses import Response, error_response
from mayfly.demo.sts.service import StsService
from mayfly.demo.sts.signature import SignedRequest


__all__ = [
    "WRONG_ACCOUNT_ID",
    "Account",
    "Call",
    "EmbeddedSts",
    "Fault",
    "Faults",
    "Role",
    "User",
    "code_at",
    "step_at",
]


class EmbeddedSts:
    """One account's STS behind a socket; `clock` gives the time, aware."""

    def __init__(
        self,
        account: Account,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        faults: Faults | None = None,
    ) -> None:
        self.account = account
        self.faults = faults or Faults()
        self.calls: list[Call] = []
        self._in_flight = 0
        self.max_in_flight = 0
        self._clock = clock
        self._service = StsService(account)
        self._server: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._port = 0
        self._recorded = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.down()

    @property
    def url(self) -> str:
        """Its URL while it is up, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def now(self) -> datetime:
        """The server's time: the clock's plus the skew."""
        skew = timedelta(seconds=self.faults.clock_skew_seconds)
        return self._clock().astimezone(UTC) + skew

    async def up(self) -> None:
        """Listen. After `down`, on the same port and with the same memory."""
        self._server = web.Server(self._handle, access_log=None)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Stop listening and cut the open connections."""
        if self._listener is not None and self._server is not None:
            self._listener.close()
            await self._server.shutdown(timeout=0.1)  # cancels the handlers that are still running then
            await self._listener.wait_closed()
        self._listener = self._server = None

    def revoke(self, access_key_id: str) -> None:
        """Delete an access key: calls with it now get InvalidClientTokenId."""
        self._service.revoke(access_key_id)

    def calls_of(self, action: str) -> int:
        """The number of requests for `action` so far."""
        return sum(call.action == action for call in self.calls)

    async def called(self, action: str, times: int = 1) -> None:
        """Wait for `times` requests for `action`, answered or not."""
        async with self._recorded:
            await self._recorded.wait_for(lambda: self.calls_of(action) >= times)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            signed = await read(request)
            fault = self.faults.take()
            response = await self._answer(signed, fault)
            if fault == "hang":
                await asyncio.Event().wait()
            await asyncio.sleep(self.faults.latency_seconds)
        finally:
            self._in_flight -= 1
        if fault == "reset":
            reset(request)
        return http_response(response, self.now, is_malformed=fault == "malformed")

    async def _answer(self, signed: SignedRequest, fault: Fault) -> Response:
        parameters = dict(parse_qsl(signed.body.decode(errors="replace"), keep_blank_values=True))
        context = RequestContext(parameters=parameters, now=self.now, overrides=self.faults.overrides(fault))
        response = None if fault == "throttle" else self._service.answer(signed, context)
        if response is None or fault in ERRORS:
            response = error_response(ERRORS[fault])
        outcome = fault if fault in UNREADABLE else response.outcome
        async with self._recorded:
            self.calls.append(context.record(outcome))
            self._recorded.notify_all()
        return response
