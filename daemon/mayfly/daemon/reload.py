"""Takes over what has changed on disk: the config, and the tokens."""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mayfly.config.load import load
from mayfly.daemon.events import Events
from mayfly.daemon.grants import Grants
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.tasks import Tasks
from mayfly.shared.errors import MayflyError
from mayfly.shared.tokens import ensure_tokens, readable_tokens, renewed_at_ns


# The exchange reads the config itself, and refuses to work for a daemon that has read another one.
UNTIL_RELOAD = "until then what is in memory goes on, and nothing new can be got"

LOOK_AGAIN_SECONDS = 1


class Reload:
    """Reads config and tokens again.

    `on_start` is called when a config is about to be read, `on_end` when one is in force again.
    """

    def __init__(
        self,
        keeper: Keeper,
        grants: Grants,
        events: Events,
        tasks: Tasks,
        *,
        on_start: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._grants = grants
        self._events = events
        self._tasks = tasks
        self._on_start = on_start
        self._on_end = on_end
        # Of two readers at once, the one that read first could be the last to replace the grants.
        self._one_at_a_time = asyncio.Lock()
        self._known_renewal_ns = renewed_at_ns()
        self._read_at_seconds = float("-inf")

    def start(self) -> None:
        """Start to reload, for SIGHUP. Problems go to the log only."""
        self._tasks.spawn(self._reload_for_signal())

    async def _reload_for_signal(self) -> None:
        with suppress(MayflyError):
            await self.config()

    async def config(self) -> None:
        """Take over the tokens and the config on disk. Raises ConfigInvalid if the config is bad: the old one stays.

        New tokens count at once, even if the config is bad.
        """
        await self.tokens()
        async with self._one_at_a_time:
            self._on_start()
            try:
                await self._read_config()
            finally:
                self._on_end()

    async def tokens(self) -> dict[str, str]:
        """Take over the tokens on disk. Returns the problem of each token that cannot be used, by profile.

        A profile whose token cannot be used has none.
        """
        async with self._one_at_a_time:
            self._known_renewal_ns = renewed_at_ns()
            tokens, problems = await asyncio.to_thread(readable_tokens, self._keeper.config.profiles)
            self._grants.replace(tokens)
        for profile, reason in problems.items():
            self._events.warning("token.refused", profile=profile, reason=reason)
        return problems

    async def tokens_renewed(self) -> bool:
        """True if tokens that a client may have been judged by have been replaced by those on disk.

        Nobody may have told us, for example if the tokens' folder was lost and `mayfly env` made new ones. Many
        clients may come with an unknown token, so the tokens are read once a second at most.
        """
        if self._one_at_a_time.locked():
            # Tokens are being read now, so the client is judged by those.
            async with self._one_at_a_time:
                return True
        seconds, renewed_at = asyncio.get_running_loop().time(), renewed_at_ns()
        # If the folder is missing (0), nobody has made a token, and those in force stay.
        is_same = renewed_at in {0, self._known_renewal_ns}
        if is_same or seconds - self._read_at_seconds < LOOK_AGAIN_SECONDS:
            return False
        self._read_at_seconds = seconds
        await self.tokens()
        return True

    async def _read_config(self) -> None:
        try:
            fresh = await asyncio.to_thread(load, Path(self._keeper.config.source))
            tokens = await asyncio.to_thread(ensure_tokens, fresh.profiles)
        except MayflyError as error:
            self._events.warning("config.refused", reason=error.message)
            error.hint = error.hint or f"mend it and run 'mayfly reload': {UNTIL_RELOAD}"
            raise
        self._keeper.adopt(fresh)
        self._grants.replace(tokens)
        self._events.info("config.reloaded", profiles=len(fresh.profiles))
