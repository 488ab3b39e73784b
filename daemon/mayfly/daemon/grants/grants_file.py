"""`grants.json` in the runtime folder keeps grants over a restart. It has no secret: of each token only the SHA-256.

A thread writes the whole JSON document. A flood of grants does not write it once for each grant: the next write waits
REST times as long as the last one took. A grant that is lost when the process is killed opens nothing, which is safe. A
grant that came back after its end would not be. So a document with an ended grant is removed if the next document
cannot be written, or not soon.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from mayfly.config import strict_json
from mayfly.daemon.events import Events
from mayfly.daemon.grants.order import DELIVERIES
from mayfly.daemon.grants.table import ENDPOINT, SOCKET, Ask, Grant
from mayfly.daemon.tasks import Tasks
from mayfly.daemon.threads import DaemonThread
from mayfly.shared import runtime_folder
from mayfly.shared.credentials import instant_text, parse_instant
from mayfly.shared.files import Unreadable, read_plain_file, write_whole_file
from mayfly.shared.grant import MAX_SECONDS, MIN_SECONDS, Narrowing, is_id, is_label, subject
from mayfly.shared.text import failure_words
from mayfly.shared.trees import text_of


VERSION = 1
# 10,000 grants, each with the longest policy there is.
MAX_BYTES = 64 * 1024 * 1024
DISK_SECONDS = 4
# After a write, the next one waits for this many times the time that the write took.
REST = 10
# A caller waits for a resting write only if the last write was this quick. Some thousand grants take longer.
QUICK_SECONDS = 0.02


class GrantsInvalid(Exception):
    """The file cannot be used; the text is the rest of a sentence that begins with its path."""


def path() -> str:
    """Where the file is."""
    return f"{runtime_folder.runtime_dir()}/grants.json"


class GrantsFile:
    """Writes the grants that `rows` returns, soon after each change."""

    def __init__(self, rows: Callable[[], list[Grant]], tasks: Tasks, events: Events) -> None:
        self._rows = rows
        self._tasks = tasks
        self._events = events
        self._thread = DaemonThread()
        self._is_dirty = False
        self._last_seconds = 0.0
        # True while a document is written, and while the next one waits.
        self._is_busy = False
        self._writing: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._has_failed = False
        # True if a grant has ended since the document was written.
        self._is_stale = False
        self._saved_used = (0, 0.0)

    def save_soon(self, *, has_ended: bool = False) -> None:
        """Write the changed grants soon; `has_ended`: one of them has ended."""
        self._is_dirty = True
        self._is_stale |= has_ended
        if self._writing is None:
            self._writing = self._tasks.spawn(self._save())

    def keep_up(self) -> None:
        """Write again after a failed write, and after grants have been used."""
        if self._has_failed or self._used() != self._saved_used:
            self.save_soon()

    def _used(self) -> tuple[int, float]:
        """Numbers that change with each use of a grant, and with new credentials."""
        rows = self._rows()
        untils = [row.handed_out_until.timestamp() for row in rows if row.handed_out_until]
        return sum(row.uses for row in rows), sum(untils)

    async def saved(self) -> None:
        """Return when no ended grant is on the disk any more, after DISK_SECONDS at most."""
        if self._is_dirty and (self._last_seconds < QUICK_SECONDS or not self._is_busy):
            written = asyncio.get_running_loop().create_future()
            self._waiting.append(written)
            await asyncio.wait([written], timeout=DISK_SECONDS)
        elif self._is_dirty:
            await self._remove_stale()

    async def _remove_stale(self) -> None:
        if self._is_stale:
            with suppress(OSError):
                await self._thread.run(_remove, DISK_SECONDS)

    async def end(self) -> None:
        """Write the grants for the last time."""
        await self._write()

    async def _save(self) -> None:
        try:
            while self._is_dirty:
                self._is_busy = True
                await self._write()
                await asyncio.sleep(self._last_seconds * REST)
        finally:
            self._writing, self._is_busy = None, False

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        began, waiting = loop.time(), self._waiting
        self._is_dirty, self._waiting = False, []
        is_stale, self._is_stale = self._is_stale, False
        self._saved_used = self._used()
        try:
            await self._thread.run(partial(write, self._rows()), DISK_SECONDS)
            self._has_failed = False
        except OSError as reason:
            self._tell(reason)
            self._is_stale |= is_stale
            await self._remove_stale()
        finally:
            self._last_seconds = loop.time() - began
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)

    def _tell(self, reason: OSError) -> None:
        """Log a failure once, until a write succeeds."""
        if not self._has_failed:
            self._has_failed = True
            self._events.warning("grants.unsaved", reason=f"{path()}: {failure_words(reason)}")


def write(rows: list[Grant]) -> None:
    """Write the file atomically, or remove it if there are no grants; raises OSError."""
    if rows:
        write_whole_file(path(), b"".join(_document(rows)))
    else:
        _remove()


def _remove() -> None:
    Path(path()).unlink(missing_ok=True)


def _document(rows: Iterable[Grant]) -> Iterator[bytes]:
    """The document, one line for each grant: `json.dumps` of all at once would keep the event loop from running."""
    narrowings: dict[Narrowing, int] = {}
    yield b'{"version":%d,"grants":[\n' % VERSION
    for number, row in enumerate(rows):
        place = narrowings.setdefault(row.narrowing, len(narrowings))
        yield (b",\n" if number else b"") + json.dumps(_tree(row, place), separators=(",", ":")).encode()
    yield b'\n],"narrowings":%b}\n' % json.dumps([list(each) for each in narrowings]).encode()


def _tree(row: Grant, narrowing: int) -> dict[str, Any]:
    return {
        "id": row.id,
        "label": row.label,
        "profile": row.profile,
        "origin": row.origin,
        "own_session": row.has_own_session,
        "token_sha256": row.digest.hex() if row.digest else None,
        "narrowing": narrowing,
        "words": row.words,
        "as": row.delivery,
        "seconds": row.seconds,
        "ends_at": row.ends_at and instant_text(row.ends_at),
        "ask": row.ask.value,
        "held": row.is_held,
        "token_file": row.has_token_file,
        "allow_disk": row.allows_disk,
        "uses": row.uses,
        "last_used_by": row.last_used_by,
        "last_used_at": row.last_used_at and instant_text(row.last_used_at),
        "handed_out_until": row.handed_out_until and instant_text(row.handed_out_until),
    }


def read() -> list[Grant]:
    """The grants in the file, none where there is no file; raises GrantsInvalid."""
    try:
        facts = os.lstat(path())
        if stat.S_ISREG(facts.st_mode) and (facts.st_uid != os.getuid() or facts.st_mode & 0o077):
            raise GrantsInvalid("is another user's, or open to others")
        tree = strict_json.parse(read_plain_file(path(), MAX_BYTES, follow_link=False).decode())
        return _grants(tree)
    except FileNotFoundError:
        return []
    except OSError as reason:
        raise GrantsInvalid(failure_words(reason)) from None
    except Unreadable as reason:
        raise GrantsInvalid(str(reason)) from None
    except (ValueError, TypeError, KeyError, LookupError, AttributeError, RecursionError):
        raise GrantsInvalid("is no list of grants") from None


def _grants(tree: Any) -> list[Grant]:
    """Raises ValueError, TypeError, KeyError, IndexError or AttributeError for any other document."""
    if tree["version"] != VERSION:
        raise ValueError("version")
    narrowings = [Narrowing(_text_or_none(policy), tuple(map(text_of, arns))) for policy, arns in tree["narrowings"]]
    rows = [_grant(row, narrowings) for row in tree["grants"]]
    digests = [row.digest for row in rows if row.digest]
    if len({row.id for row in rows}) < len(rows) or len({*digests}) < len(digests):
        raise ValueError("an id or a token twice")
    return rows


def _grant(row: dict[str, Any], narrowings: list[Narrowing]) -> Grant:
    profile, grant_id, digest = text_of(row["profile"]), row["id"], _digest(row["token_sha256"])
    delivery, seconds = row["as"], _number(row["seconds"])
    if not (is_id(grant_id) and is_label(row["label"]) and delivery in DELIVERIES):
        raise ValueError("a name")
    if not MIN_SECONDS <= seconds <= MAX_SECONDS or (digest is None) == (delivery in (ENDPOINT, SOCKET)):
        raise ValueError("a life or a token")
    return Grant(
        profile=profile,
        session=subject(profile, grant_id) if _flag(row["own_session"]) else profile,
        id=grant_id,
        label=row["label"],
        digest=digest,
        narrowing=narrowings[_number(row["narrowing"])],
        words=text_of(row["words"]),
        delivery=delivery,
        origin=text_of(row["origin"]),
        seconds=seconds,
        ends_at=parse_instant(row["ends_at"]),
        ask=Ask(row["ask"]),
        is_held=_flag(row["held"]),
        has_token_file=_flag(row["token_file"]),
        allows_disk=_flag(row["allow_disk"]),
        uses=_number(row["uses"]),
        last_used_by=_text_or_none(row["last_used_by"]),
        last_used_at=_instant_or_none(row["last_used_at"]),
        handed_out_until=_instant_or_none(row["handed_out_until"]),
    )


def _digest(value: Any) -> bytes | None:
    if value is None:
        return None
    found = bytes.fromhex(text_of(value))
    if len(found) != 32:
        raise ValueError("no SHA-256")
    return found


def _text_or_none(value: Any) -> str | None:
    return None if value is None else text_of(value)


def _instant_or_none(value: Any) -> datetime | None:
    return None if value is None else parse_instant(value)


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("no number")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("no truth value")
    return value
