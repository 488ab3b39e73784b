"""What happens, told once: to the log, and to whoever listens on the control socket."""

from __future__ import annotations

import asyncio

from collections.abc import AsyncIterator
from typing import Any


QUEUE_LENGTH = 256

Queue = asyncio.Queue[dict[str, Any] | None]


class Events:
    """The daemon's log, and its listeners: one that does not keep up loses the oldest events, and delays nobody."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._queues: set[Queue] = set()

    def info(self, event: str, **facts: Any) -> None:
        """Something went as it should."""
        self._log.info(event, **facts)
        self._publish(event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Something went wrong, and was expected to now and then."""
        self._log.warning(event, **facts)
        self._publish(event, facts)

    def error(self, event: str, **facts: Any) -> None:
        """A fault of ours: for the log alone."""
        self._log.error(event, **facts)

    async def listen(self) -> AsyncIterator[dict[str, Any]]:
        """Every event from now on, as `{"event": name, …facts}`, until `close`."""
        queue: Queue = asyncio.Queue(QUEUE_LENGTH)
        self._queues.add(queue)
        try:
            while (told := await queue.get()) is not None:
                yield told
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """Let every listener go."""
        self._put(None)

    def _publish(self, event: str, facts: dict[str, Any]) -> None:
        self._put({"event": event} | facts)

    def _put(self, told: dict[str, Any] | None) -> None:
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(told)
