"""STS by aiobotocore: one call, one answer, in our own words.

botocore's retries are off: a call may carry a one-time code, and whether that may go out again is not botocore's to
know. Keys come from the item or the session in hand alone; whatever of AWS stands in the environment or in ~/.aws is
out of sight (`where.seal_environment`, and a loader that knows botocore's own data only).
"""

from __future__ import annotations

import logging
import os
import random
import ssl

from asyncio import ensure_future, get_running_loop, sleep, timeout
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

import attrs

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import exceptions as boto
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError

from mayfly.exchange.sts.connection import Connection, TracedSession
from mayfly.exchange.sts.location import StsLocation, is_loopback, unreachable
from mayfly.exchange.sts.refusals import from_sts
from mayfly.shared.credentials import Credentials, account_of, partition_of
from mayfly.shared.errors import AwsFailed, AwsThrottled, AwsUnreachable


AT_ONCE = 16
CONNECT_SECONDS = 5
READ_SECONDS = 15
# aiohttp's own limits end neither a proxy that takes CONNECT and is silent, nor an answer that trickles.
CALL_SECONDS = 40
PATIENT_TRIES = 4
# A code ages, and others wait for op.lock.
PATIENCE_SECONDS = 20
FIRST_PAUSE_SECONDS = 0.3


class _NeverLeft(Exception):
    """No connection came about, and why: so nobody has seen what was to be sent."""


@attrs.frozen(kw_only=True)
class Keys:
    """What signs a call: permanent keys, or temporary ones with their session token."""

    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)
    session_token: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Answer:
    """STS's answer as botocore parsed it, and the `Date` it carried."""

    fields: dict[str, Any] = attrs.field(repr=False)
    aws_at: datetime | None


class Sts:
    """Calls STS, in an `async with` block.

    One botocore session for all calls, because reading its data files is what costs; and in each block one client for
    all calls with the same keys, because making one costs as much as three calls.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        # What botocore and asyncio would say of themselves is for nobody, and could show a secret.
        logging.disable()
        self._session = AioSession()
        # botocore's usual loader would look into ~/.aws/models first, where another endpoint could be written down.
        own_data = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
        self._session.register_component("data_loader", own_data)
        self._clock = clock
        self._clients: dict[tuple[StsLocation, Keys], Any] = {}
        self._silent: set[StsLocation] = set()

    async def __aenter__(self) -> Self:
        self._life = AsyncExitStack()
        return self

    async def __aexit__(self, *reason: object) -> None:
        self._clients.clear()
        await self._life.aclose()

    async def warm_up(self, where: StsLocation) -> None:
        """Read botocore's data files while somebody looks for the fingerprint reader; raises AwsUnreachable."""
        bundle = os.environ.get("AWS_CA_BUNDLE")
        try:
            if bundle:
                # aiobotocore would find out that it cannot be read with the code in its hand.
                ssl.create_default_context(cafile=bundle)
            async with self._new_client(where, Keys(access_key_id="none", secret_access_key="none")):  # noqa: S106 - no secret
                pass
        except (boto.BotoCoreError, OSError) as reason:
            raise AwsUnreachable(
                f"AWS STS cannot be called ({type(reason).__name__})", hint="see AWS_CA_BUNDLE and the proxy variables"
            ) from None

    async def call(self, where: StsLocation, keys: Keys, operation: str, **parameters: Any) -> Answer:
        """One call, and again only where it surely did nothing (never left, throttled); raises an AwsError."""
        pause, end = FIRST_PAUSE_SECONDS, get_running_loop().time() + PATIENCE_SECONDS
        for _ in range(PATIENT_TRIES - 1):
            try:
                return await self._anywhere(where, keys, operation, parameters)
            except (AwsThrottled, AwsUnreachable):
                if get_running_loop().time() >= end:
                    raise
                await sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, guards nothing
                pause *= 2
        return await self._anywhere(where, keys, operation, parameters)

    async def _anywhere(self, where: StsLocation, keys: Keys, operation: str, parameters: dict[str, Any]) -> Answer:
        """In the first of its regions that answers; what never left one may go to the next, code and all."""
        why = ""
        for place in sorted(where.places(), key=self._silent.__contains__):
            try:
                return await self._once(place, keys, operation, parameters)
            except _NeverLeft as reason:
                self._silent.add(place)
                why = str(reason)
        raise unreachable(where, why)

    async def _once(self, where: StsLocation, keys: Keys, operation: str, parameters: dict[str, Any]) -> Answer:
        connection = Connection()
        try:
            client = await self._client(where, keys)
            async with timeout(CALL_SECONDS):
                with connection.watched():
                    fields = await getattr(client, operation)(**parameters)
        except boto.ClientError as refusal:
            raise from_sts(refusal.response, parameters, where.region, self._clock()) from None
        except (boto.BotoCoreError, ResponseParserError, OSError) as reason:
            if connection.never_stood:
                raise _NeverLeft(_why(reason)) from None
            raise AwsFailed(f"AWS STS gave no usable answer ({type(reason).__name__})") from None
        return Answer(fields=fields, aws_at=date_of(fields))

    async def _client(self, where: StsLocation, keys: Keys) -> Any:
        """The block's client for calls with `keys`; who comes while it is being made waits for the same one."""
        if (where, keys) not in self._clients:
            making = self._life.enter_async_context(self._new_client(where, keys))
            self._clients[where, keys] = ensure_future(making)
        return await self._clients[where, keys]

    def _new_client(self, where: StsLocation, keys: Keys) -> Any:
        return self._session.create_client(
            "sts",
            region_name=where.region,
            endpoint_url=where.endpoint_url,
            # Plain http on loopback needs no certificates; reading them would cost a thread and 30 ms.
            verify=False if is_loopback(where.endpoint_url) else None,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token,
            config=AioConfig(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                max_pool_connections=AT_ONCE,
                retries={"total_max_attempts": 1},
                parameter_validation=False,
                http_session_cls=TracedSession,
            ),
        )


def _why(reason: Exception) -> str:
    return "its certificate is not accepted" if isinstance(reason, boto.SSLError) else "no connection"


def keys_of(session: Credentials) -> Keys:
    """A session as what signs a call."""
    return Keys(
        access_key_id=session.access_key_id,
        secret_access_key=session.secret_access_key,
        session_token=session.session_token,
    )


def credentials_in(answer: Answer, *, arn: str | None, account_from: str) -> Credentials:
    """The credentials that STS issued; raises AwsFailed where the answer holds none that live.

    Their account and partition are those in `account_from`, if that is an ARN.
    """
    try:
        issued = answer.fields["Credentials"]
        made = Credentials(
            access_key_id=issued["AccessKeyId"],
            secret_access_key=issued["SecretAccessKey"],
            session_token=issued["SessionToken"],
            expiration=issued["Expiration"].astimezone(UTC).replace(microsecond=0),
            account_id=account_of(account_from),
            arn=arn,
            partition=partition_of(account_from) or None,
        )
    except (KeyError, TypeError, AttributeError):
        raise AwsFailed("AWS STS answered without credentials") from None
    if answer.aws_at and made.expiration <= answer.aws_at:
        raise AwsFailed("AWS STS issued credentials that have already ended")
    return made


def date_of(fields: dict[str, Any]) -> datetime | None:
    """The `Date` header of an answer or a refusal, as an aware instant."""
    try:
        return parsedate_to_datetime(fields["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None
