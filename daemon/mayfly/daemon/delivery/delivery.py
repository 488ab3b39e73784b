"""Opens, renews and closes the sockets and files of grants. A thread does all work on files, one task at a time."""

from __future__ import annotations

import asyncio
import os
import socket

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from mayfly.daemon.delivery import folder
from mayfly.daemon.delivery.config import config_text
from mayfly.daemon.delivery.folder import Place
from mayfly.daemon.delivery.socket import GrantSocket
from mayfly.daemon.events import Events
from mayfly.daemon.grants.delivery import Paths, undelivered
from mayfly.daemon.http.places import Places
from mayfly.daemon.http.server import Handler
from mayfly.daemon.tasks import Tasks
from mayfly.daemon.threads import DaemonThread
from mayfly.shared.credentials import Credentials, process_body
from mayfly.shared.errors import GrantRefused, GrantUndelivered
from mayfly.shared.grant_folder import GRANTS
from mayfly.shared.mounts import IN_MEMORY, file_system
from mayfly.shared.runtime_folder import SOCKET_PATH_BYTES
from mayfly.shared.text import failure_words


T = TypeVar("T")

DISK_SECONDS = 10
_SHORTER = "set MAYFLY_RUNTIME_DIR to a folder with a shorter name"
_PLACES = {"socket": (Place.SOCKET,), "file": (Place.CONFIG, Place.CREDENTIALS)}


class Deliverable(Protocol):
    """The grant, as far as its delivery is concerned. `delivery` is endpoint, socket, file or env."""

    @property
    def id(self) -> str:
        """Eight hexadecimal digits, for no other grant at any time."""

    @property
    def delivery(self) -> str:
        """Only for socket and file is there anything to do."""

    @property
    def allows_disk(self) -> bool:
        """True if credentials may be written to a disk."""


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

    async def open(self, grant: Deliverable) -> Paths:
        """Make what the grant needs, and return where it is; for a grant that is open already, only that.

        After a restart of the daemon it is opened again by the same ID: the folders stay, and the socket is a new one.
        Raises GrantRefused where the rules or this machine do not allow it, and GrantUndelivered for a fault of the
        disk or the desk. Then nothing new is left.
        """
        if grant.id in self._open:
            return self._open[grant.id]
        places = _PLACES.get(grant.delivery, ())
        paths = self._paths(grant.id, places)
        if places:
            await self._check(grant, paths)
            await self._make(grant, places)
            self._open[grant.id] = paths
        return paths

    async def renewed(self, grant: Deliverable, credentials: Credentials) -> None:
        """Replace the last credentials by these; raises GrantUndelivered, and then the last ones stay.

        Does nothing for a grant that is not by file, or not open any more.
        """
        if not self._is_open_by_file(grant.id):
            return
        content = process_body(credentials)
        try:
            await self._on_disk(grant.id, partial(self._put, grant.id, Place.CREDENTIALS, content))
        except GrantUndelivered:
            # It may have been closed meanwhile.
            if self._is_open_by_file(grant.id):
                raise

    async def take_away(self, grant: Deliverable) -> bool:
        """Remove the credentials' file until `renewed` writes it anew; the folder stays, and so does its mount.

        True if there was one. Raises GrantUndelivered.
        """
        if not self._is_open_by_file(grant.id):
            return False
        removing = partial(folder.take_away, self._runtime_dir, grant.id, Place.CREDENTIALS)
        return await self._on_disk(grant.id, removing)

    async def close(self, grant: Deliverable) -> None:
        """Remove all that `open` has made. Requests that are being answered on the socket get their answers."""
        self._open.pop(grant.id, None)
        serving = self._sockets.pop(grant.id, None)
        if serving:
            await serving.stop_accepting()
            self._tasks.spawn(serving.end())
        await self._remove(grant.id)

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
            socket=found.get(Place.SOCKET),
            folder=str(Path(mounted).parent) if mounted else None,
            config_file=found.get(Place.CONFIG),
            credentials_file=found.get(Place.CREDENTIALS),
        )

    async def _check(self, grant: Deliverable, paths: Paths) -> None:
        """Raise what can be known to fail before anything is made."""
        if paths.socket and len(os.fsencode(paths.socket)) > SOCKET_PATH_BYTES:
            raise GrantRefused(
                f"the path of the grant's socket is longer than {SOCKET_PATH_BYTES} bytes, which is the most:"
                f" {paths.socket}",
                hint=_SHORTER,
            )
        if paths.credentials_file and not grant.allows_disk:
            kind = await self._on_disk(grant.id, partial(file_system, Path(self._runtime_dir)))
            if kind not in IN_MEMORY:
                raise GrantRefused(
                    f"credentials would be written to a disk: {self._runtime_dir} is not in memory (tmpfs)",
                    hint="set MAYFLY_RUNTIME_DIR to a folder on a tmpfs, or give --allow-disk",
                )

    async def _make(self, grant: Deliverable, places: Collection[Place]) -> None:
        config = config_text(Place.CREDENTIALS.path(self._runtime_dir, grant.id)) if Place.CONFIG in places else None
        is_new = await self._on_disk(grant.id, partial(folder.make, self._runtime_dir, grant.id, *places))
        try:
            if config is not None:
                await self._on_disk(grant.id, partial(self._put, grant.id, Place.CONFIG, config))
            if Place.SOCKET in places:
                await self._serve(grant.id)
        except BaseException:
            if is_new:
                await asyncio.shield(self._remove(grant.id))
            raise

    def _put(self, grant_id: str, place: Place, content: bytes) -> None:
        folder.put(self._runtime_dir, grant_id, place, content)

    async def _serve(self, grant_id: str) -> None:
        """Serve before the socket is moved to its place, so that no client finds a socket without a server."""
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
            late = f"the grant's folder {self._folder(grant_id)}: the disk, or the desk, does not answer"
            raise GrantUndelivered(late) from None
        except OSError as reason:
            raise undelivered(f"the grant's folder {self._folder(grant_id)}", reason, self._runtime_dir) from None

    async def _remove(self, grant_id: str) -> None:
        try:
            await self._thread.run(partial(folder.remove, self._runtime_dir, grant_id), DISK_SECONDS)
        except OSError as reason:
            self._complain(grant_id, reason)

    def _complain(self, grant_id: str, reason: OSError) -> None:
        self._events.warning("grant.folder_left", grant=grant_id, reason=failure_words(reason))

    def _folder(self, grant_id: str) -> str:
        return f"{self._runtime_dir}/{GRANTS}/{grant_id}"
