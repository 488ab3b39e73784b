"""The delivery of grants, on a real event loop and in real folders, without a daemon around it."""

from __future__ import annotations

import asyncio
import os
import stat

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any, NamedTuple

from mayfly.daemon.delivery import Delivery
from mayfly.daemon.events import Events
from mayfly.daemon.http.answer import json_answer
from mayfly.daemon.http.places import Places
from mayfly.daemon.http.server import Handler
from mayfly.daemon.tasks import Tasks
from mayfly.shared.grant_folder import listening
from support.stage import Log


class Deliverable(NamedTuple):
    """A grant, as far as its delivery is concerned."""

    id: str
    delivery: str
    allows_disk: bool = False


ID = "1a2b3c4d"
OTHER_ID = "5e6f7a8b"


def answers(word: str) -> Handler:
    """A handler that says this word."""

    async def answer(_request: Any) -> Any:
        return json_answer(200, word)

    return answer


@asynccontextmanager
async def delivering(
    folder: Path,
    *,
    log: Log | None = None,
    handler_of: Callable[[str], Handler] = answers,
    bind: Callable[[str], socket] | None = None,
    places: Places | None = None,
) -> AsyncIterator[Delivery]:
    """A delivery in this runtime folder, as a daemon has it from its start to its end."""
    events = Events(log or Log())
    tasks = Tasks(events)
    delivery = Delivery(
        str(folder),
        bind=bind or partial(listening, str(folder)),
        handler_of=handler_of,
        places=places or Places(),
        events=events,
        tasks=tasks,
        on_fault=lambda fault: events.error("request.failed", exc_info=fault),
        on_refusal=lambda cause: events.warning("request.refused", cause=cause, times=1),
    )
    try:
        yield delivery
    finally:
        await delivery.stop_accepting()
        await delivery.end(1)
        await tasks.end()


def tree(folder: Path) -> dict[str, str]:
    """Everything below `folder`, with its mode: `drwx--x--x` and the like."""
    return {str(path.relative_to(folder)): stat.filemode(path.lstat().st_mode) for path in sorted(folder.rglob("*"))}


async def said(folder: int | str, *, name: str = "s") -> str:
    """What is answered on the socket `name` in a folder: its path, or a descriptor, as of a mount made before."""
    path = f"/proc/self/fd/{folder}" if isinstance(folder, int) else folder
    reader, writer = await asyncio.open_unix_connection(f"{path}/{name}")
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(20):
        whole = await reader.read()
    writer.close()
    return whole.rpartition(b"\r\n\r\n")[2].decode()


def descriptor_of(folder: str | None) -> int:
    """The folder, as a mount holds it: whatever its path says later."""
    return os.open(str(folder), os.O_PATH | os.O_DIRECTORY)


def number_of(path: str | None) -> int:
    """The inode: which file or folder this is."""
    return Path(str(path)).stat().st_ino


def texts(folder: Path) -> dict[str, str]:
    """The content of every file below `folder`, by its name."""
    return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}
