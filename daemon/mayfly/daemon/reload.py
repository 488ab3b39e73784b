"""Taking over what has changed on disk: the config, and the tokens."""

from __future__ import annotations

import asyncio

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from mayfly.config.load import is_as_on_disk, load
from mayfly.config.model import Config
from mayfly.daemon.events import Events
from mayfly.daemon.grants import Grants
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.threads import DaemonThread
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid, MayflyError
from mayfly.shared.tokens import ensure_tokens, readable_tokens, renewed_at_ns


T = TypeVar("T")

# The exchange reads the config itself, and takes no other than ours.
UNTIL_THEN = "until then what is in memory goes on, and nothing new can be got"

LOOK_AGAIN_SECONDS = 1
# A disk that does not answer until then does not answer; the commands wait for 10 s.
DISK_SECONDS = 4


class Reload:
    """Takes over config and tokens. The tokens wait for nothing of the config's.

    `find_config` says which file is the config, by the rule that every command follows; `on_start` and `on_end` are
    called when a config is being read, and when one is in force again.
    """

    def __init__(
        self,
        keeper: Keeper,
        grants: Grants,
        events: Events,
        *,
        find_config: Callable[[], Path],
        on_start: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._grants = grants
        self._events = events
        self._find_config = find_config
        self._on_start = on_start
        self._on_end = on_end
        self._one_config = asyncio.Lock()
        # Of two readers at once, the one that read the old tokens could be the last to put them in force.
        self._one_at_a_time = asyncio.Lock()
        self._config_thread = DaemonThread()
        self._tokens_thread = DaemonThread()
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
        async with self._one_config:
            self._on_start()
            try:
                await self._read()
            finally:
                self._on_end()

    async def tokens(self) -> dict[str, str]:
        """Let the tokens on disk be those in force. What is wrong with one, by profile: that profile has none then."""
        async with self._one_at_a_time:
            self._tokens_of_ns = renewed_at_ns()
            profiles = self._keeper.config.profiles
            tokens, problems = await _from_disk(self._tokens_thread, lambda: readable_tokens(profiles), "the tokens")
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
            fresh = await _from_disk(self._config_thread, lambda: load(self._find_config()), "the config")
            await self._put_in_force(fresh)
        except MayflyError as error:
            self._events.warning("config.refused", reason=error.message)
            error.hint = error.hint or f"mend it and run 'mayfly reload': {UNTIL_THEN}"
            raise
        self._events.info("config.reloaded", path=fresh.source, profiles=len(fresh.profiles))

    async def _put_in_force(self, fresh: Config) -> None:
        async with self._one_at_a_time:
            make = partial(ensure_tokens, fresh.profiles)
            tokens = await _from_disk(self._tokens_thread, make, "the tokens")
            self._keeper.adopt(fresh)
            self._grants.replace(tokens)


def config_notes(in_force: Config, given: str | None) -> list[str]:
    """What `status` tells of the files on disk, compared with the config in force; reads them."""
    notes = []
    try:
        found = str(paths.config_file(given))
    except ConfigInvalid:
        found = in_force.source
    if found != in_force.source:
        notes.append(f"the daemon runs on {in_force.source}, and commands read {found}: 'mayfly reload'; {UNTIL_THEN}")
    elif not is_as_on_disk(in_force):
        notes.append(f"{in_force.source} has changed since it was read: 'mayfly reload'; {UNTIL_THEN}")
    if overlooked := paths.overlooked_config(given):
        notes.append(overlooked)
    return notes


async def _from_disk(thread: DaemonThread, read: Callable[[], T], what: str) -> T:
    """What `read` returns; raises ConfigInvalid where the disk does not answer."""
    try:
        return await thread.run(read, DISK_SECONDS)
    except TimeoutError:
        raise ConfigInvalid(f"{what} cannot be read: the disk has not answered for {DISK_SECONDS} s") from None
