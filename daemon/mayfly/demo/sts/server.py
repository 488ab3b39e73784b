"""The embedded STS: what `mayfly demo` and the tests talk to in the place of AWS.

A real HTTP server on 127.0.0.1 with a port of its own. It checks the signature, the session token
and the MFA code as AWS does, keeps a record of every call, and fails on request (`faults`).
GetCallerIdentity, GetSessionToken and AssumeRole; every other action is unknown to it.

    async with EmbeddedSts(account) as sts:
        client = session.create_client("sts", endpoint_url=sts.url, …)

As a process: `python -m mayfly.demo.sts.server --account FILE.json` prints its URL as the first line on
stdout and serves until it is killed. FILE.json has the fields of Account, User, Role and Faults:

    {"account_id": "058264411872",
     "users": [{"name": "carmas", "user_id": "AIDA…", "access_key_id": "AKIA…",
                "secret_access_key": "…", "mfa_serial": "arn:aws:iam::058264411872:mfa/carmas",
                "totp_seed": "BASE32"}],
     "roles": [{"name": "Admin", "max_session_seconds": 3600, "requires_mfa": true}],
     "faults": {"latency_seconds": 0.2, "max_life_seconds": 60, "script": ["throttle"]}}
"""

import argparse
import asyncio
import contextlib

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from aiohttp import web

from mayfly.demo.sts.account import Account, Role, User, account_from, read_document
from mayfly.demo.sts.context import Call, Reply, Visit, refusal
from mayfly.demo.sts.faults import ERRORS, SILENT, WRONG_ACCOUNT_ID, Fault, Faults, faults_from
from mayfly.demo.sts.http import cut, read, response
from mayfly.demo.sts.mfa import code_at, step_at
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
    """One account's STS behind a socket; `clock` is the world's time, aware."""

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
        self.in_flight = 0
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
        """Where it listens (while it is up), without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def now(self) -> datetime:
        """The server's time: the clock's, and the skew."""
        skew = timedelta(seconds=self.faults.clock_skew_seconds)
        return self._clock().astimezone(UTC) + skew

    async def up(self) -> None:
        """Listen; after `down`, on the same port, with the same memory."""
        self._server = web.Server(self._handle, access_log=None)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections from now on, and cut those that there are."""
        if self._listener is not None and self._server is not None:
            self._listener.close()
            await self._server.shutdown(timeout=0.1)  # what still runs then is cancelled
            await self._listener.wait_closed()
        self._listener = self._server = None

    def revoke(self, access_key_id: str) -> None:
        """Delete a key: whoever calls with it from now on gets InvalidClientTokenId."""
        self._service.revoke(access_key_id)

    def calls_of(self, action: str) -> int:
        """How many requests for `action` have come in."""
        return sum(call.action == action for call in self.calls)

    async def called(self, action: str, times: int = 1) -> None:
        """Wait until `times` requests for `action` have come in, answered or not."""
        async with self._recorded:
            await self._recorded.wait_for(lambda: self.calls_of(action) >= times)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            signed = await read(request)
            fault = self.faults.take()
            reply = await self._answer(signed, fault)
            if fault == "hang":
                await asyncio.Event().wait()
            await asyncio.sleep(self.faults.latency_seconds)
        finally:
            self.in_flight -= 1
        if fault == "reset":
            cut(request)
        return response(reply, self.now, broken=fault == "malformed")

    async def _answer(self, signed: SignedRequest, fault: Fault) -> Reply:
        fields = dict(parse_qsl(signed.body.decode(errors="replace"), keep_blank_values=True))
        visit = Visit(parameters=fields, now=self.now, terms=self.faults.terms(fault))
        reply = None if fault == "throttle" else self._service.answer(signed, visit)
        if reply is None or fault in ERRORS:
            reply = refusal(ERRORS[fault])
        outcome = fault if fault in SILENT else reply.outcome
        async with self._recorded:
            self.calls.append(visit.call(outcome))
            self._recorded.notify_all()
        return reply


async def _serve(path: Path) -> None:
    document = read_document(path)
    faults = faults_from(document.get("faults", {}))
    async with EmbeddedSts(account_from(document), faults=faults) as sts:
        print(sts.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve the account of `--account FILE.json` until killed."""
    parser = argparse.ArgumentParser(prog="python -m mayfly.demo.sts.server")
    parser.add_argument("--account", type=Path, required=True, metavar="FILE.json")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments.account))


if __name__ == "__main__":
    main()
