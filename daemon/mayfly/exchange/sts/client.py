"""STS by aiobotocore: one call, one answer, or one of our own errors.

botocore's retries are off. A call may carry a one-time password, and botocore cannot know whether that may be sent
again. The keys come only from the item or from the session in the request: the environment's AWS_ variables and ~/.aws
are out of reach (`seal_environment`, and a loader that reads botocore's own data only).
"""

from __future__ import annotations

import logging
import os
import random

from asyncio import ensure_future, get_running_loop, sleep, timeout
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, Literal, Self

import attrs

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import exceptions as boto
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError

from mayfly.config.network import CA_VARIABLES, ca_bundle, proxy_of, shown_host
from mayfly.exchange.sts.answers import (
    Answer,
    UnusableAnswer,
    check_date,
    check_document,
    date_of,
    failed,
    parse_instant,
)
from mayfly.exchange.sts.connection import Connection
from mayfly.exchange.sts.environment import botocore_proxies, certificate_hint, check_settings
from mayfly.exchange.sts.http_session import StsHttpSession, problem_in
from mayfly.exchange.sts.location import StsLocation
from mayfly.exchange.sts.reachability import unreachable
from mayfly.exchange.sts.refusals import from_sts
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import AwsFailed, AwsThrottled, AwsUnreachable
from mayfly.shared.text import printable


MAX_CONCURRENT_CALLS = 16
CONNECT_SECONDS = 5
READ_SECONDS = 15
# aiohttp's own limits end neither a proxy that accepts CONNECT and stays silent, nor an answer that trickles in.
CALL_SECONDS = 40
MAX_TRIES = 4
# No new try after this time: a one-time password expires, and other exchanges wait for op.lock.
RETRY_SECONDS = 20
FIRST_PAUSE_SECONDS = 0.3


class _NeverSent(Exception):
    """No connection was made, so nobody has seen the request."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint


@attrs.frozen(kw_only=True)
class Keys:
    """What signs a call: a long-term access key, or temporary credentials with their session token.

    `reference` is where 1Password has the access key, for errors; "" for temporary credentials.
    """

    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)
    session_token: str | None = attrs.field(default=None, repr=False)
    reference: str = ""


def keys_of(session: Credentials) -> Keys:
    """The keys that sign a call of this session."""
    return Keys(
        access_key_id=session.access_key_id,
        secret_access_key=session.secret_access_key,
        session_token=session.session_token,
    )


class Sts:
    """Calls STS, in an `async with` block.

    All calls share one botocore session, because reading botocore's data files is what costs most. In each block all
    calls with the same keys share one client, because making a client costs as much as three calls.
    """

    service: Literal["sts", "iam"] = "sts"

    def __init__(self, clock: Callable[[], datetime]) -> None:
        # No log of botocore's or asyncio's: it could show a secret.
        logging.disable()
        self._session = AioSession()
        # botocore's default loader would look into ~/.aws/models first, where a file could name another endpoint.
        own_data = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
        self._session.register_component("data_loader", own_data)
        self._session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_instant)
        self._session.register("before-parse.sts", _check_before_parsing)
        self._clock = clock
        self._clients: dict[tuple[StsLocation, Keys], Any] = {}
        self._unreachable: set[StsLocation] = set()

    async def __aenter__(self) -> Self:
        self._open_clients = AsyncExitStack()
        return self

    async def __aexit__(self, *reason: object) -> None:
        self._clients.clear()
        await self._open_clients.aclose()

    async def warm_up(self, location: StsLocation) -> None:
        """Read botocore's data files and the certificates while the person reaches for the fingerprint reader.

        Raises AwsUnreachable if no client can be made.
        """
        try:
            async with self._new_client(location, Keys(access_key_id="none", secret_access_key="none")):  # noqa: S106 - no secret
                StsHttpSession(_verify(location)).read_certificates()
        except (boto.BotoCoreError, OSError):
            raise AwsUnreachable(
                "AWS STS cannot be called: the environment's settings cannot be used",
                hint=f"see the proxy variables and {', '.join(CA_VARIABLES)}",
            ) from None

    async def call(self, location: StsLocation, keys: Keys, operation: str, **parameters: Any) -> Answer:
        """One call, repeated only where it certainly had no effect (never sent, throttled); raises an AwsError."""
        check_settings(location, os.environ)
        pause, end = FIRST_PAUSE_SECONDS, get_running_loop().time() + RETRY_SECONDS
        for _ in range(MAX_TRIES - 1):
            try:
                return await self._call_a_region(location, keys, operation, parameters)
            except (AwsThrottled, AwsUnreachable):
                if get_running_loop().time() >= end:
                    raise
                await sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, guards nothing
                pause *= 2
        return await self._call_a_region(location, keys, operation, parameters)

    async def _call_a_region(
        self, location: StsLocation, keys: Keys, operation: str, parameters: dict[str, Any]
    ) -> Answer:
        """Call the first region that accepts a connection. A code that was never sent may go to the next region."""
        last = _NeverSent("no connection", "")
        for region in sorted(location.each_region(), key=self._unreachable.__contains__):
            try:
                return await self._call_once(region, keys, operation, parameters)
            except _NeverSent as reason:
                self._unreachable.add(region)
                last = reason
        raise unreachable(location, last.why, last.hint)

    async def _call_once(self, location: StsLocation, keys: Keys, operation: str, parameters: dict[str, Any]) -> Answer:
        connection, sent_at = Connection(), self._clock()
        try:
            client = await self._client(location, keys)
            async with timeout(CALL_SECONDS):
                with connection.watched():
                    fields = await getattr(client, operation)(**parameters)
            answer = Answer(fields=fields, aws_at=date_of(fields), received_at=self._clock())
            check_date(answer, sent_at)
        except boto.ClientError as refusal:
            raise from_sts(refusal.response, parameters, location.region, self._clock(), keys.reference) from None
        except (boto.BotoCoreError, OSError) as reason:
            if connection.was_never_made:
                raise _never_sent(reason, location) from None
            raise _no_answer(reason) from None
        except UnusableAnswer as reason:
            raise failed(str(reason)) from None
        except _PARSE_ERRORS:
            if not connection.was_made:
                raise
            raise failed("it cannot be parsed") from None
        return answer

    async def _client(self, location: StsLocation, keys: Keys) -> Any:
        """The client of this block for calls with `keys`; concurrent callers wait for the same one."""
        if (location, keys) not in self._clients:
            making = self._open_clients.enter_async_context(self._new_client(location, keys))
            self._clients[location, keys] = ensure_future(making)
        return await self._clients[location, keys]

    def _new_client(self, location: StsLocation, keys: Keys) -> Any:
        return self._session.create_client(
            self.service,
            region_name=location.region,
            endpoint_url=location.endpoint_url,
            verify=_verify(location),
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token,
            config=AioConfig(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                max_pool_connections=MAX_CONCURRENT_CALLS,
                retries={"total_max_attempts": 1},
                parameter_validation=False,
                http_session_cls=StsHttpSession,
                proxies=botocore_proxies(location, os.environ),
            ),
        )


def _verify(location: StsLocation) -> str | bool:
    """The file of certificates that is in force; True is the list that comes with botocore."""
    if location.is_plain_loopback():
        return False  # there is no certificate, and reading a list would cost a thread and 30 ms
    bundle = ca_bundle(os.environ)
    return bundle.value if bundle else True


# What botocore's parsers raise for documents that they do not expect.
_PARSE_ERRORS = (
    ResponseParserError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def _check_before_parsing(operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
    # A later botocore may speak another protocol with STS; then only the parts of an answer are checked.
    if response_dict["status_code"] < 300 and operation_model.service_model.resolved_protocol == "query":
        check_document(operation_model.name, response_dict["body"])


def _no_answer(reason: Exception) -> AwsFailed:
    problem = problem_in(reason)
    if problem:
        return failed(problem)
    is_late = isinstance(reason, boto.ReadTimeoutError | TimeoutError)
    return AwsFailed(f"AWS STS gave no answer: {'the time is over' if is_late else 'the connection broke off'}")


def _never_sent(reason: Exception, location: StsLocation) -> _NeverSent:
    if isinstance(reason, boto.SSLError):
        return _NeverSent("its certificate is not accepted", certificate_hint(os.environ))
    proxy = proxy_of(location.netloc(), os.environ)
    if proxy is None or location.is_loopback():
        return _NeverSent("no connection", "is the network up?")
    return _NeverSent(
        f"no connection through the proxy {printable(shown_host(proxy.value))}",
        f"is the network up? The proxy is in {proxy.variable} of the daemon's environment",
    )
