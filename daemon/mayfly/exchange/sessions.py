"""GetSessionToken for items in hand: each with its own keys and code, all at once.

Imported only when `op` is under way, because what it imports takes as long as a finger does.
"""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Mapping
from datetime import datetime

from mayfly.config import Config
from mayfly.errors import MayflyError
from mayfly.exchange import sts
from mayfly.exchange.items import Item
from mayfly.exchange.where import where_is_sts
from mayfly.wire import Result


class Sessions:
    """Turns items into sessions."""

    def __init__(self, config: Config, environ: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        self._config = config
        self._environ = environ
        self._sts = sts.Sts(clock)

    def warm_up(self, name: str) -> None:
        """Read what botocore needs for the profile called `name`, before it is needed."""
        asyncio.run(self._sts.warm_up(where_is_sts(self._config, name, self._environ)))

    def get(self, items: Mapping[str, Item]) -> dict[str, Result]:
        """A result for every item, by the name of its profile."""
        return {result.profile: result for result in asyncio.run(self._get_all(items))}

    async def _get_all(self, items: Mapping[str, Item]) -> list[Result]:
        return await asyncio.gather(*(self._get(name, item) for name, item in items.items()))

    async def _get(self, name: str, item: Item) -> Result:
        profile = self._config.keys_of(name)
        keys = sts.Keys(access_key_id=item.access_key_id, secret_access_key=item.secret_access_key)
        try:
            answer = await self._sts.call(
                where_is_sts(self._config, name, self._environ),
                keys,
                "get_session_token",
                DurationSeconds=profile.duration_seconds,
                SerialNumber=item.mfa_serial,
                TokenCode=item.token_code,
            )
            made = sts.credentials_in(answer, arn=None, account_from=item.mfa_serial, account_id=profile.account_id)
        except MayflyError as error:
            return Result(profile=name, outcome=error)
        return Result(profile=name, outcome=made, aws_at=answer.aws_at)
