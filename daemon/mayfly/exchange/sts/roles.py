"""AssumeRole for the profiles above a session: no `op`, no code, all at once."""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from mayfly.config.model import Config, RoleProfile
from mayfly.exchange.sts.account_check import with_checked_account
from mayfly.exchange.sts.answers import assumed_role_arn, issued_credentials
from mayfly.exchange.sts.assume_role import role_parameters
from mayfly.exchange.sts.client import MAX_CONCURRENT_CALLS, Sts, keys_of
from mayfly.exchange.sts.hints import add_hints
from mayfly.exchange.sts.location import sts_location
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import MayflyError, SessionEnded
from mayfly.shared.grant import profile_of
from mayfly.shared.wire import Emit, Result


class Roles:
    """Assumes roles, starting from sessions that the caller has.

    A role in the middle of a chain is assumed once. A role that fails does not affect the others. `ordered` are the
    roles of grants' sessions, by subject; nothing is assumed from them.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        clock: Callable[[], datetime],
        emit: Emit,
        ordered: Mapping[str, RoleProfile],
    ) -> None:
        self._config = config
        self._ordered = ordered
        self._environ = environ
        self._sts = Sts(clock)
        self._emit = emit
        self._call_slots = asyncio.Semaphore(MAX_CONCURRENT_CALLS)
        self._tasks: dict[str, asyncio.Task[Credentials]] = {}

    async def run(self, names: Sequence[str], sessions: Mapping[str, Credentials]) -> None:
        """Assume every role in `names`, starting from `sessions`, and emit a result for each."""
        async with self._sts:
            await asyncio.gather(*(self._task(name, sessions) for name in names), return_exceptions=True)

    def _task(self, name: str, sessions: Mapping[str, Credentials]) -> asyncio.Task[Credentials]:
        """The one task that assumes the role of `name`."""
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._assume(name, sessions))
        return self._tasks[name]

    async def _assume(self, name: str, sessions: Mapping[str, Credentials]) -> Credentials:
        profile = self._ordered.get(name) or self._config.profiles[name]
        try:
            if not isinstance(profile, RoleProfile) or profile.mfa:
                raise SessionEnded(f"the session of {name} has ended")
            below = self._config.session_of(profile.source_profile)
            source = sessions.get(below) or await self._task(below, sessions)
            async with self._call_slots:
                result = await self._call(name, profile, source)
        except MayflyError as error:
            self._emit(Result(profile=name, outcome=error))
            raise
        self._emit(result)
        assert isinstance(result.outcome, Credentials)  # noqa: S101 - for mypy
        return result.outcome

    async def _call(self, name: str, profile: RoleProfile, source: Credentials) -> Result:
        location, parameters = sts_location(self._config, profile_of(name), self._environ), role_parameters(profile)
        try:
            answer = await self._sts.call(location, keys_of(source), "assume_role", **parameters)
        except MayflyError as error:
            add_hints(error, self._config, profile_of(name), parameters["RoleSessionName"])
            raise
        credentials = issued_credentials(
            answer,
            role_arn=profile.role_arn,
            account_arn=assumed_role_arn(answer),
            duration_seconds=profile.duration_seconds,
        )
        credentials = await with_checked_account(credentials, profile, self._sts, location)
        return Result(profile=name, outcome=credentials, aws_at=answer.aws_at)
