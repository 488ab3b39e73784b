"""Taking over what has changed on disk: the config, and the tokens."""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mayfly.config.load import load
from mayfly.daemon.events import Events
from mayfly.daemon.grants import Grants
from mayfly.daemon.keeper import Keeper
from mayfly.shared.errors import MayflyError
from mayfly.shared.tokens import ensure_tokens, readable_tokens, renewed_at_ns


# The exchange reads the config itself, and takes no other than ours.
UNTIL_THEN = "until then what is in memory goes on, and nothing new can be got"

LOOK_AGAIN_SECONDS = 1


class Reload:
    """Takes over; `on_start` and `on_end` hear when a config is being read, and when one is in force again."""

    def __init__(
        self,
        keeper: Keeper,
        grants: Grants,
        events: Events,
        *,
        on_start: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._grants = grants
        self._events = events
        self._on_start = on_start
        self._on_end = on_end
        # Of two who read at once, the one who has read old tokens could win.
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tokens_of_ns = renewed_at_ns()
        self._read_at_seconds = float("-inf")

    def soon(self) -> None:
        """For a signal: begin, and leave what may be wrong to the log."""

        async def reload() -> None:
            with suppress(MayflyError):
                await self.config()

        task = asyncio.create_task(reload())
        # asyncio itself holds a task only weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def config(self) -> None:
        """Take over the config on disk; raises ConfigInvalid, and goes on with the old one, where it is bad.

        New tokens count at once, whatever else is wrong.
        """
        await self.tokens()
        async with self._one_at_a_time:
            self._on_start()
            try:
                await self._read()
            finally:
                self._on_end()

    async def tokens(self) -> dict[str, str]:
        """Let the tokens on disk be those in force. What is wrong with one, by profile: that profile has none then."""
        async with self._one_at_a_time:
            self._tokens_of_ns = renewed_at_ns()
            tokens, problems = await asyncio.to_thread(readable_tokens, self._keeper.config.profiles)
            self._grants.replace(tokens)
        for profile, reason in problems.items():
            self._events.warning("token.refused", profile=profile, reason=reason)
        return problems

    async def renewed_tokens(self) -> bool:
        """Whether tokens on disk have become others by themselves, as where their folder was lost; now these count.

        For clients with an unknown one, who may be many: they are read once a second at most.
        """
        if self._one_at_a_time.locked():
            # Somebody reads already: whoever comes meanwhile is judged by what that brings.
            async with self._one_at_a_time:
                return True
        seconds, renewed_at = asyncio.get_running_loop().time(), renewed_at_ns()
        # Where there is no folder nobody has made a token, and those in force go on.
        is_same = renewed_at in {0, self._tokens_of_ns}
        if is_same or seconds - self._read_at_seconds < LOOK_AGAIN_SECONDS:
            return False
        self._read_at_seconds = seconds
        await self.tokens()
        return True

    async def _read(self) -> None:
        try:
            fresh = await asyncio.to_thread(load, Path(self._keeper.config.source))
            tokens = await asyncio.to_thread(ensure_tokens, fresh.profiles)
        except MayflyError as error:
            self._events.warning("config.refused", reason=error.message)
            error.hint = error.hint or f"mend it and run 'mayfly reload': {UNTIL_THEN}"
            raise
        self._keeper.adopt(fresh)
        self._grants.replace(tokens)
        self._events.info("config.reloaded", profiles=len(fresh.profiles))
