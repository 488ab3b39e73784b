"""Events: each goes to the log, and to all who listen (`GET /events`, the notifications)."""

from __future__ import annotations

import asyncio

from collections.abc import AsyncIterator
from typing import Any

from mayfly.daemon.log_events import admitted


QUEUE_LENGTH = 256

Queue = asyncio.Queue[dict[str, Any] | None]


class Events:
    """The log and the listeners. A listener that does not keep up loses the oldest events, and delays nobody."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._queues: set[Queue] = set()

    def info(self, event: str, **facts: Any) -> None:
        """Something went as it should."""
        self._log.info(event, **facts)
        self._publish(event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Something went wrong, as happens now and then."""
        self._log.warning(event, **facts)
        self._publish(event, facts)

    def error(self, event: str, **facts: Any) -> None:
        """A fault of ours. Only the log hears of it, since it may carry a traceback."""
        self._log.error(event, **facts)

    async def listen(self) -> AsyncIterator[dict[str, Any]]:
        """Every event from now until `close`, as `{"event": name, …fields}`: the fields that the log has, too."""
        queue: Queue = asyncio.Queue(QUEUE_LENGTH)
        self._queues.add(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """End every `listen`."""
        self._put(None)

    def _publish(self, event: str, facts: dict[str, Any]) -> None:
        if self._queues:
            self._put(admitted(event, facts))

    def _put(self, event: dict[str, Any] | None) -> None:
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)
