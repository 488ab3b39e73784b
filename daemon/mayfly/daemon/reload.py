"""Reads the config and the tokens on disk again, and puts them in force."""

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
from mayfly.daemon.grants import Table
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.tasks import Tasks
from mayfly.daemon.threads import DaemonThread
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid, MayflyError
from mayfly.shared.tokens import ensure_digests, readable_digests, renewed_at_ns


T = TypeVar("T")

# The exchange reads the config itself, and refuses to work for a daemon that has read another one.
UNTIL_RELOAD = "until then mayfly serves the sessions that it has, and renews none"

LOOK_AGAIN_SECONDS = 1
# After this time the disk counts as hung. It is less than the 10 s that commands wait.
DISK_SECONDS = 4
# A client with an unknown token waits for a look at the tokens' folder. SDKs wait 1 or 2 s for an answer.
LOOK_SECONDS = 0.5


class Reload:
    """Reads config and tokens again. The tokens wait for nothing that concerns the config. Many clients share a read.

    `find_config` returns the path of the config, by the rule that every command follows. `on_start` is called when a
    config is about to be read, `on_end` when one is in force again. `before_adopt` is called
    with a new config right before it comes into force.
    """

    def __init__(
        self,
        keeper: Keeper,
        table: Table,
        events: Events,
        tasks: Tasks,
        *,
        find_config: Callable[[], Path],
        on_start: Callable[[], None],
        on_end: Callable[[], None],
        before_adopt: Callable[[Config], None] = lambda _config: None,
    ) -> None:
        self._keeper = keeper
        self._table = table
        self._events = events
        self._tasks = tasks
        self._find_config = find_config
        self._on_start = on_start
        self._on_end = on_end
        self._before_adopt = before_adopt
        self._config_lock = asyncio.Lock()
        # Of two readers of tokens at once, the one that read first could be the last to replace the tokens in force.
        self._tokens_lock = asyncio.Lock()
        self._config_thread = DaemonThread()
        self._tokens_thread = DaemonThread()
        self._look_thread = DaemonThread()
        self._look_lock = asyncio.Lock()
        self._next_look: asyncio.Task[int] | None = None
        self._reading: asyncio.Task[dict[str, str]] | None = None
        # Reads that have not begun yet: all clients that come before they begin share them.
        self._next_reading: asyncio.Task[dict[str, str]] | None = None
        self._next_config: asyncio.Task[None] | None = None
        self._known_renewal_ns = renewed_at_ns()
        self._reads = 0
        self._read_at_seconds = float("-inf")
        self._hung_at_seconds = float("-inf")

    def start(self) -> None:
        """Start to reload, for SIGHUP. Problems go to the log only."""
        self._tasks.spawn(self._reload_for_signal())

    async def _reload_for_signal(self) -> None:
        with suppress(MayflyError):
            await self.config()

    async def config(self) -> None:
        """Take over the tokens and the config on disk. Raises ConfigInvalid if the config is bad: the old one stays.

        New tokens count at once, even if the config is bad. A client that goes away does not stop it half-way.
        """
        await asyncio.shield(self._tasks.start_for_clients(self._read_all()))

    async def tokens(self) -> dict[str, str]:
        """Put the tokens on disk in force. Returns a reason for each profile whose token is unusable.

        Such a profile has no token in force. A client that goes away does not stop it.
        """
        if self._next_reading is None:
            self._reading = self._next_reading = self._tasks.start_for_clients(self._read_tokens())
        return await asyncio.shield(self._next_reading)

    async def tokens_renewed(self) -> bool:
        """True if the tokens on disk have changed. The new ones are then in force: check the client again.

        Tokens can change without a reload, for example if the tokens' folder was lost and `mayfly env` made new ones.
        Many clients may send an unknown token, so the tokens are read once a second at most.
        """
        # A disk that does not answer has renewed nothing.
        with suppress(ConfigInvalid, TimeoutError):
            reads = self._reads
            renewed_at = await self._look()
            if self._reading and not self._reading.done():
                # Another client has started to read the tokens: use its result.
                await asyncio.shield(self._reading)
                return True
            if self._reads > reads:
                # Tokens have been read during the look.
                return True
            if self._may_be_renewed(renewed_at):
                await self.tokens()
                return True
        return False

    async def _look(self) -> int:
        """When the tokens were renewed; raises TimeoutError if the disk does not answer.

        Such a disk is asked once a second at most, and no other client waits for it.
        """
        if asyncio.get_running_loop().time() - self._hung_at_seconds < LOOK_AGAIN_SECONDS:
            raise TimeoutError
        if self._next_look is None:
            self._next_look = self._tasks.start_for_clients(self._look_next())
        return await asyncio.shield(self._next_look)

    async def _look_next(self) -> int:
        async with self._look_lock:
            # A look that has begun is too early for clients that come from now on: they share the next one.
            self._next_look = None
            try:
                return await self._look_thread.run(renewed_at_ns, LOOK_SECONDS)
            except TimeoutError:
                self._hung_at_seconds = asyncio.get_running_loop().time()
                raise

    def _may_be_renewed(self, renewed_at: int) -> bool:
        # If the folder is missing (0), nobody has made a token, and those in force stay.
        is_same = renewed_at in {0, self._known_renewal_ns}
        seconds = asyncio.get_running_loop().time()
        if is_same or seconds - self._read_at_seconds < LOOK_AGAIN_SECONDS:
            return False
        self._read_at_seconds = seconds
        return True

    async def _read_all(self) -> None:
        await self.tokens()
        if self._next_config is None:
            self._next_config = self._tasks.start_for_clients(self._read_config())
        await asyncio.shield(self._next_config)

    async def _read_tokens(self) -> dict[str, str]:
        async with self._tokens_lock:
            # A read that has begun may be too early for clients that come from now on: they share the next one.
            self._next_reading = None
            read = partial(_tokens_on_disk, tuple(self._keeper.config.profiles))
            renewed_at, (digests, problems) = await _from_disk(self._tokens_thread, read, "the tokens")
            self._table.replace(digests)
            self._known_renewal_ns = renewed_at
            self._reads += 1
        for profile, reason in problems.items():
            self._events.warning("token.refused", profile=profile, reason=reason)
        return problems

    async def _read_config(self) -> None:
        async with self._config_lock:
            self._next_config = None
            self._on_start()
            try:
                fresh = await _from_disk(self._config_thread, lambda: load(self._find_config()), "the config")
                await self._put_in_force(fresh)
            except MayflyError as error:
                self._events.warning("config.refused", reason=error.message)
                error.hint = error.hint or f"mend it and run 'mayfly reload': {UNTIL_RELOAD}"
                raise
            finally:
                self._on_end()

    async def _put_in_force(self, fresh: Config) -> None:
        """Raises ConfigInvalid if the token of a profile cannot be used."""
        async with self._tokens_lock:
            digests = await _from_disk(self._tokens_thread, partial(ensure_digests, fresh.profiles), "the tokens")
            self._before_adopt(fresh)
            self._keeper.adopt(fresh)
            self._table.replace(digests)
        self._events.info("config.reloaded", path=fresh.source, profiles=len(fresh.profiles))


def _tokens_on_disk(profiles: tuple[str, ...]) -> tuple[int, tuple[dict[str, bytes], dict[str, str]]]:
    """When they were renewed, and `readable_digests`. A token that is renewed in between is read again later."""
    return renewed_at_ns(), readable_digests(profiles)


def config_notes(in_force: Config, given: str | None) -> list[str]:
    """Read the files on disk. Returns the notes of `status` on how they differ from the config in force."""
    notes = []
    try:
        found = str(paths.config_file(given))
    except ConfigInvalid:
        found = in_force.source
    if found != in_force.source:
        notes.append(
            f"the daemon runs on {in_force.source}, and commands read {found}: 'mayfly reload'; {UNTIL_RELOAD}"
        )
    elif not is_as_on_disk(in_force):
        notes.append(f"{in_force.source} has changed since it was read: 'mayfly reload'; {UNTIL_RELOAD}")
    if overlooked := paths.overlooked_config(given):
        notes.append(overlooked)
    return notes


async def _from_disk(thread: DaemonThread, read: Callable[[], T], what: str) -> T:
    """Call `read` in the thread and return its result; raises ConfigInvalid if the disk does not answer."""
    try:
        return await thread.run(read, DISK_SECONDS)
    except TimeoutError:
        raise ConfigInvalid(f"{what} cannot be read: the disk has not answered for {DISK_SECONDS} s") from None
