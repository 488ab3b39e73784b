"""Opens, renews and closes what a grant is delivered by. All work on files is done in a thread, one at a time."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from mayfly.daemon.delivery import folder
from mayfly.daemon.delivery.config import config_text
from mayfly.daemon.delivery.folder import Place
from mayfly.daemon.delivery.memory_fs import is_in_memory
from mayfly.daemon.delivery.socket import GrantSocket
from mayfly.daemon.events import Events
from mayfly.daemon.http.places import Places
from mayfly.daemon.http.server import Handler
from mayfly.daemon.tasks import Tasks
from mayfly.daemon.threads import DaemonThread
from mayfly.shared.credentials import Credentials, process_body
from mayfly.shared.errors import GrantRefused, GrantUndelivered
from mayfly.shared.text import failure_words


T = TypeVar("T")

DISK_SECONDS = 10
# sun_path of sockaddr_un without the last zero byte (unix(7); macOS: sys/un.h).
MAX_PATH_BYTES = 107 if sys.platform == "linux" else 103
_SHORTER = "set MAYFLY_RUNTIME_DIR to a folder with a shorter name"
_FILES = (Place.CONFIG, Place.CREDENTIALS)


class Wanted(NamedTuple):
    """How a grant is to be delivered: `kind` is endpoint, socket, file or env.

    `token`: to be written to a file of its own. After a restart it is not known, and the file is still there.
    """

    id: str
    kind: str
    token: str | None = None
    allow_disk: bool = False


class Paths(NamedTuple):
    """Where a grant is to be found. `folder` is the one to mount, read-only."""

    folder: str | None = None
    socket: str | None = None
    token_path: str | None = None
    config_file: str | None = None
    credentials_file: str | None = None


class Delivery:
    """The folders, sockets and files of all grants.

    `bind` blocks, and returns the listening socket that it has bound in `grants/ID` (`grant_folder.listening`,
    `binding.from_desk`). `handler_of` makes what answers on the socket of a grant.
    """

    def __init__(
        self,
        runtime_dir: str,
        *,
        bind: Callable[[str], socket.socket],
        handler_of: Callable[[str], Handler],
        places: Places,
        events: Events,
        tasks: Tasks,
        on_fault: Callable[[BaseException | None], None],
        on_refusal: Callable[[str], None],
    ) -> None:
        self._runtime_dir = runtime_dir
        self._bind = bind
        self._handler_of = handler_of
        self._places = places
        self._events = events
        self._tasks = tasks
        self._on_fault = on_fault
        self._on_refusal = on_refusal
        self._thread = DaemonThread()
        self._sockets: dict[str, GrantSocket] = {}
        self._open: dict[str, Paths] = {}

    async def open(self, wanted: Wanted) -> Paths:
        """Make what is wanted, and return where it is; for a grant that is open already, only that.

        After a restart of the daemon it is opened again by the same ID: the folders stay, and the socket is a new one.
        Raises GrantRefused where the rules or this machine do not allow it, and GrantUndelivered for a fault of the
        disk or the desk. Then nothing new is left.
        """
        if wanted.id in self._open:
            return self._open[wanted.id]
        places = _places_of(wanted)
        paths = self._paths(wanted.id, places)
        if places:
            await self._check(wanted, paths)
            await self._make(wanted, places)
        self._open[wanted.id] = paths
        return paths

    async def renewed(self, grant_id: str, credentials: Credentials) -> None:
        """Put these credentials in the place of the last ones; raises GrantUndelivered. Nothing for other kinds."""
        if not self._is_open_by_file(grant_id):
            return
        content = process_body(credentials)
        try:
            await self._on_disk(grant_id, partial(self._put, grant_id, Place.CREDENTIALS, content))
        except GrantUndelivered:
            # It may have been closed meanwhile.
            if self._is_open_by_file(grant_id):
                raise

    async def close(self, grant_id: str) -> None:
        """Remove all that `open` has made. Requests on the socket that are being answered end first, soon after."""
        self._open.pop(grant_id, None)
        serving = self._sockets.pop(grant_id, None)
        if serving:
            await serving.stop_accepting()
            self._tasks.spawn(serving.end())
        await self._remove(grant_id)

    async def sweep(self, known: Collection[str]) -> None:
        """Remove what an earlier daemon has left of grants that are not `known`."""
        try:
            found = await self._thread.run(partial(folder.left, self._runtime_dir), DISK_SECONDS)
        except OSError as reason:
            self._complain("", reason)
            return
        for grant_id in found - set(known) - self._open.keys():
            await self._remove(grant_id)

    # The daemon's end. Folders stay, for the next daemon.

    async def stop_accepting(self) -> None:
        """Accept no more connections on any socket."""
        await asyncio.gather(*(one.stop_accepting() for one in self._sockets.values()))

    async def finish_requests(self, seconds: float) -> None:
        """Wait up to `seconds` for connected clients to send their request."""
        await asyncio.gather(*(one.finish_requests(seconds) for one in self._sockets.values()))

    async def end(self, seconds: float) -> None:
        """Close all connections, each as soon as its request is answered."""
        ending, self._sockets = self._sockets, {}
        await asyncio.gather(*(one.end(seconds) for one in ending.values()))

    # Parts

    def _is_open_by_file(self, grant_id: str) -> bool:
        paths = self._open.get(grant_id)
        return paths is not None and paths.credentials_file is not None

    def _paths(self, grant_id: str, places: Collection[Place]) -> Paths:
        found = {place: place.path(self._runtime_dir, grant_id) for place in places}
        mounted = found.get(Place.SOCKET) or found.get(Place.CREDENTIALS)
        return Paths(
            str(Path(mounted).parent) if mounted else None,
            found.get(Place.SOCKET),
            found.get(Place.TOKEN),
            found.get(Place.CONFIG),
            found.get(Place.CREDENTIALS),
        )

    async def _check(self, wanted: Wanted, paths: Paths) -> None:
        """Raise what can be known before anything is made."""
        if paths.socket and len(os.fsencode(paths.socket)) > MAX_PATH_BYTES:
            raise GrantRefused(
                f"the path of the grant's socket is longer than {MAX_PATH_BYTES} bytes, the most that a socket's path"
                f" may have: {paths.socket}",
                hint=_SHORTER,
            )
        if wanted.kind == "file" and not wanted.allow_disk:
            look = partial(is_in_memory, self._runtime_dir)
            if not await self._on_disk(wanted.id, look):
                raise GrantRefused(
                    f"credentials would be written to a disk: {self._runtime_dir} is not in memory (tmpfs)",
                    hint="set MAYFLY_RUNTIME_DIR to a folder on a tmpfs, or give --allow-disk",
                )

    async def _make(self, wanted: Wanted, places: Collection[Place]) -> None:
        texts = self._texts(wanted)
        is_new = await self._on_disk(wanted.id, partial(folder.make, self._runtime_dir, wanted.id, *places))
        try:
            for place, content in texts.items():
                await self._on_disk(wanted.id, partial(self._put, wanted.id, place, content))
            if wanted.kind == "socket":
                await self._serve(wanted.id)
        except BaseException:
            if is_new:
                await asyncio.shield(self._remove(wanted.id))
            raise

    def _texts(self, wanted: Wanted) -> dict[Place, bytes]:
        texts = {}
        if wanted.token is not None:
            texts[Place.TOKEN] = wanted.token.encode()
        if wanted.kind == "file":
            texts[Place.CONFIG] = config_text(Place.CREDENTIALS.path(self._runtime_dir, wanted.id))
        return texts

    def _put(self, grant_id: str, place: Place, content: bytes) -> None:
        folder.put(self._runtime_dir, grant_id, place, content)

    async def _serve(self, grant_id: str) -> None:
        """Serve before the socket is in its place, so that nobody finds one on which nobody answers."""
        sock = await self._on_disk(grant_id, partial(self._bind, grant_id))
        serving = GrantSocket(
            sock,
            self._handler_of(grant_id),
            places=self._places,
            on_fault=self._on_fault,
            on_refusal=self._on_refusal,
        )
        try:
            await self._on_disk(grant_id, partial(folder.put_socket, self._runtime_dir, grant_id))
        except BaseException:
            await serving.end(0)
            raise
        self._sockets[grant_id] = serving

    async def _on_disk(self, grant_id: str, work: Callable[[], T]) -> T:
        try:
            return await self._thread.run(work, DISK_SECONDS)
        except TimeoutError:
            raise self._undelivered(grant_id, "the disk, or the desk, does not answer") from None
        except OSError as reason:
            raise self._undelivered(grant_id, failure_words(reason)) from None

    def _undelivered(self, grant_id: str, reason: str) -> GrantUndelivered:
        return GrantUndelivered(f"the grant's folder {self._folder(grant_id)}: {reason}")

    async def _remove(self, grant_id: str) -> None:
        try:
            await self._thread.run(partial(folder.remove, self._runtime_dir, grant_id), DISK_SECONDS)
        except OSError as reason:
            self._complain(grant_id, reason)

    def _complain(self, grant_id: str, reason: OSError) -> None:
        self._events.warning("grant.folder_left", grant=grant_id, reason=failure_words(reason))

    def _folder(self, grant_id: str) -> str:
        return f"{self._runtime_dir}/grants/{grant_id}"


def _places_of(wanted: Wanted) -> tuple[Place, ...]:
    kinds = {"socket": (Place.SOCKET,), "file": _FILES}.get(wanted.kind, ())
    return (*kinds, Place.TOKEN) if wanted.token is not None else kinds
