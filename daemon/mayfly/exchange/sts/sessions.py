"""The calls of a login: GetSessionToken, or AssumeRole for a role that wants a code of its own. Without MFA no code.

Each call is signed with the long-term access key of its item; all run at once. Imported only while `op` runs, because
the import takes as long as a fingerprint does.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mayfly.config.model import Config, Profile, RoleProfile
from mayfly.exchange.onepassword.items import Item
from mayfly.exchange.sts.account_check import with_checked_account
from mayfly.exchange.sts.answers import assumed_role_arn, issued_credentials
from mayfly.exchange.sts.assume_role import role_parameters
from mayfly.exchange.sts.client import Keys, Sts
from mayfly.exchange.sts.hints import add_hints
from mayfly.exchange.sts.location import sts_location
from mayfly.shared.errors import MayflyError
from mayfly.shared.partitions import partition_of
from mayfly.shared.wire import Emit, Result


class Sessions:
    """Turns items into sessions."""

    def __init__(self, config: Config, environ: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        self._config = config
        self._environ = environ
        self._sts = Sts(clock)

    def warm_up(self, name: str) -> None:
        """Read the files that botocore needs for the profile called `name`, before they are needed."""
        asyncio.run(self._sts.warm_up(sts_location(self._config, name, self._environ)))

    def start(self, items: Mapping[str, Item], emit: Emit) -> None:
        """Start a session for every item, and emit each result as it comes; `items` are by the name of the profile."""
        asyncio.run(self._start_all(items, emit))

    async def _start_all(self, items: Mapping[str, Item], emit: Emit) -> None:
        async def start(name: str, item: Item) -> None:
            emit(await self._start(name, item))

        async with self._sts:
            await asyncio.gather(*(start(name, item) for name, item in items.items()))

    async def _start(self, name: str, item: Item) -> Result:
        profile = self._config.profiles[name]
        role_arn = profile.role_arn if isinstance(profile, RoleProfile) else None
        operation, parameters = _operation_of(profile)
        try:
            location = sts_location(self._config, name, self._environ, partition_of(item.mfa_serial or ""))
            answer = await self._sts.call(
                location,
                Keys(
                    access_key_id=item.access_key_id,
                    secret_access_key=item.secret_access_key,
                    reference=self._config.keys_of(name).access_key_id,
                ),
                operation,
                **parameters,
                **_device_and_code(item),
            )
            credentials = issued_credentials(
                answer,
                role_arn=role_arn,
                account_arn=assumed_role_arn(answer) if role_arn else item.mfa_serial or "",
                duration_seconds=profile.duration_seconds,
            )
            credentials = await with_checked_account(credentials, profile, self._sts, location)
        except MayflyError as error:
            add_hints(error, self._config, name, parameters.get("RoleSessionName", ""))
            return Result(profile=name, outcome=error)
        return Result(profile=name, outcome=credentials, aws_at=answer.aws_at)


def _device_and_code(item: Item) -> dict[str, str]:
    """The two parameters of MFA; neither where the profile has none."""
    if item.mfa_serial is None or item.token_code is None:
        return {}
    return {"SerialNumber": item.mfa_serial, "TokenCode": item.token_code}


def _operation_of(profile: Profile) -> tuple[str, dict[str, Any]]:
    """The operation for the profile, and its parameters without device and code."""
    if isinstance(profile, RoleProfile):
        return "assume_role", role_parameters(profile)
    return "get_session_token", {"DurationSeconds": profile.duration_seconds}
