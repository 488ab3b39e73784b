"""AssumeRole for the profiles above a session: no `op`, no code, all at once."""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from mayfly.config.model import Config, RoleProfile
from mayfly.exchange.sts import accounts
from mayfly.exchange.sts.assume_role import role_parameters
from mayfly.exchange.sts.client import AT_ONCE, Sts, credentials_in, keys_of
from mayfly.exchange.sts.location import sts_location
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import MayflyError, SessionEnded
from mayfly.shared.wire import Emit, Result


class Roles:
    """Assumes roles from sessions in hand.

    A chain's middle role is assumed once, and a role that fails, fails alone.
    """

    def __init__(self, config: Config, environ: Mapping[str, str], clock: Callable[[], datetime], emit: Emit) -> None:
        self._config = config
        self._environ = environ
        self._sts = Sts(clock)
        self._emit = emit
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[str, asyncio.Task[Credentials]] = {}

    async def run(self, names: Sequence[str], sessions: Mapping[str, Credentials]) -> None:
        """Assume every role in `names`, starting from `sessions`, and emit a result for each."""
        async with self._sts:
            await asyncio.gather(*(self._assumed(name, sessions) for name in names), return_exceptions=True)

    def _assumed(self, name: str, sessions: Mapping[str, Credentials]) -> asyncio.Task[Credentials]:
        if name not in self._under_way:
            self._under_way[name] = asyncio.create_task(self._assume(name, sessions))
        return self._under_way[name]

    async def _assume(self, name: str, sessions: Mapping[str, Credentials]) -> Credentials:
        profile = self._config.profiles[name]
        try:
            if not isinstance(profile, RoleProfile) or profile.mfa:
                raise SessionEnded(f"the session of {name} has ended")
            below = self._config.session_of(profile.source_profile)
            source = sessions.get(below) or await self._assumed(below, sessions)
            async with self._at_once:
                result = await self._call(name, profile, source)
        except MayflyError as error:
            self._emit(Result(profile=name, outcome=error))
            raise
        self._emit(result)
        assert isinstance(result.outcome, Credentials)  # noqa: S101 - for mypy
        return result.outcome

    async def _call(self, name: str, profile: RoleProfile, source: Credentials) -> Result:
        where = sts_location(self._config, name, self._environ)
        answer = await self._sts.call(where, keys_of(source), "assume_role", **role_parameters(profile))
        account_from = accounts.arn_in(answer.fields, profile.role_arn)
        made = credentials_in(answer, arn=profile.role_arn, account_from=account_from)
        made = await accounts.checked(made, profile, self._sts, where)
        return Result(profile=name, outcome=made, aws_at=answer.aws_at)
