"""GetCallerIdentity: whose a session is, and whether AWS still accepts it. It needs no permission, no code, no `op`."""

from __future__ import annotations

import asyncio

from collections.abc import Callable, Mapping
from datetime import datetime

from mayfly.config.model import Config
from mayfly.exchange.sts.answers import caller_identity
from mayfly.exchange.sts.client import Sts, keys_of
from mayfly.exchange.sts.location import sts_location
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import MayflyError
from mayfly.shared.grant import profile_of
from mayfly.shared.wire import Emit, Request, Result


async def verify(
    request: Request,
    config: Config,
    environ: Mapping[str, str],
    clock: Callable[[], datetime],
    emit: Emit,
) -> None:
    """Ask AWS about every session in the request, and emit its identity or the reason why AWS refuses it."""
    sts = Sts(clock)

    async def verify_one(name: str, session: Credentials) -> None:
        try:
            location = sts_location(config, profile_of(name), environ, session.partition or "")
            answer = await sts.call(location, keys_of(session), "get_caller_identity")
            caller = caller_identity(answer)
        except MayflyError as error:
            emit(Result(profile=name, outcome=error))
        else:
            emit(Result(profile=name, outcome=caller, aws_at=answer.aws_at))

    async with sts:
        await asyncio.gather(*(verify_one(*pair) for pair in request.sessions.items()))
