"""What is got with a code: GetSessionToken, or AssumeRole for a role that wants one of its own.

Each with the keys and the code of its item, all at once.

Imported only when `op` is under way, because what it imports takes as long as a finger does.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mayfly.config.model import Config, Profile, RoleProfile
from mayfly.exchange.onepassword.items import Item
from mayfly.exchange.sts import accounts
from mayfly.exchange.sts.assume_role import role_parameters
from mayfly.exchange.sts.client import Keys, Sts, credentials_in
from mayfly.exchange.sts.location import sts_location
from mayfly.shared.credentials import partition_of
from mayfly.shared.errors import MayflyError
from mayfly.shared.wire import Result


class Sessions:
    """Turns items into sessions."""

    def __init__(self, config: Config, environ: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        self._config = config
        self._environ = environ
        self._sts = Sts(clock)

    def warm_up(self, name: str) -> None:
        """Read what botocore needs for the profile called `name`, before it is needed."""
        asyncio.run(self._sts.warm_up(sts_location(self._config, name, self._environ)))

    def get(self, items: Mapping[str, Item], tell: Callable[[Result], None]) -> None:
        """Tell a result for every item, by the name of its profile, as it comes."""
        asyncio.run(self._get_all(items, tell))

    async def _get_all(self, items: Mapping[str, Item], tell: Callable[[Result], None]) -> None:
        async def get(name: str, item: Item) -> None:
            tell(await self._get(name, item))

        async with self._sts:
            await asyncio.gather(*(get(name, item) for name, item in items.items()))

    async def _get(self, name: str, item: Item) -> Result:
        profile = self._config.profiles[name]
        arn = profile.role_arn if isinstance(profile, RoleProfile) else None
        operation, parameters = _asked(profile)
        try:
            where = sts_location(self._config, name, self._environ, partition_of(item.mfa_serial))
            answer = await self._sts.call(
                where,
                Keys(access_key_id=item.access_key_id, secret_access_key=item.secret_access_key),
                operation,
                **parameters,
                SerialNumber=item.mfa_serial,
                TokenCode=item.token_code,
            )
            account_from = accounts.arn_in(answer.fields, arn or item.mfa_serial)
            made = credentials_in(answer, arn=arn, account_from=account_from)
            made = await accounts.checked(made, profile, self._sts, where)
        except MayflyError as error:
            return Result(profile=name, outcome=error)
        return Result(profile=name, outcome=made, aws_at=answer.aws_at)


def _asked(profile: Profile) -> tuple[str, dict[str, Any]]:
    """The operation, and its parameters without the code."""
    if isinstance(profile, RoleProfile):
        return "assume_role", role_parameters(profile)
    return "get_session_token", {"DurationSeconds": profile.duration_seconds}
