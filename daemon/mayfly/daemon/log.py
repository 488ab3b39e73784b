"""The daemon's log: events with facts, as lines for people on a terminal and as JSON elsewhere.

Which events there are, and with which fields: `log_events`. What is taken out of free text: `redaction`. How lines are
written without blocking: `log_writer`.
"""

from __future__ import annotations

import logging
import sys

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

from mayfly.daemon import log_events
from mayfly.daemon.log_counter import LogCounter
from mayfly.daemon.log_writer import LogStream, LogWriter


# structlog imports rich where it is installed (4 MiB, 160 ms) for tracebacks that we do not print. While the entry is
# None, Python says that there is no rich.
_without_rich = "rich" not in sys.modules
if _without_rich:
    sys.modules["rich"] = None  # type: ignore[assignment] # what the import system itself puts there for a blocked name
import structlog  # noqa: E402 - after the above


if _without_rich:
    del sys.modules["rich"]

CLOSE_SECONDS = 0.5

Event = MutableMapping[str, Any]


@contextmanager
def opened(stream: TextIO) -> Iterator[Any]:
    """The daemon's logger, which writes to `stream`'s descriptor and never blocks.

    Warnings of libraries come along as `library.warned`, and what is printed to `sys.stderr` comes along as it is. At
    the end the last lines have CLOSE_SECONDS to be written.
    """
    before, descriptor = sys.stderr, stream.fileno()
    writer = LogWriter(descriptor, _renderer(stream), encoding=stream.encoding or "utf-8")
    sys.stderr = printed = LogStream(writer, descriptor)
    try:
        yield _logger(writer)
    finally:
        sys.stderr = before
        printed.close()
        writer.close(CLOSE_SECONDS)


def _renderer(stream: TextIO) -> Callable[[dict[str, Any]], str]:
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
        if stream.isatty()
        else structlog.processors.JSONRenderer()
    )
    return lambda event: str(render(None, "", event))


def _logger(writer: LogWriter) -> Any:
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    logger = structlog.wrap_logger(
        _Queue(writer),
        processors=[structlog.processors.format_exc_info, _admit, structlog.processors.add_log_level, stamp],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(handlers=[_Bridge(logger)], level=logging.WARNING, force=True)
    return logger


class _Queue:
    """The end of structlog's chain: it calls the level's method with the event as keywords."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def info(self, **event: Any) -> None:
        self._writer.put(event)

    warning = error = info


def _admit(_logger: object, _method: str, event: Event) -> Event:
    """A structlog processor: the listed fields alone, and free text without secrets."""
    return log_events.admitted(str(event.pop("event")), event)


_FLOOD = "socket.accept() out of system resource"


class _Bridge(logging.Handler):
    """Takes warnings of libraries into this log, and so through the same redaction."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger
        self._floods = LogCounter()

    def filter(self, record: logging.LogRecord) -> bool:
        """True, but seldom for the line that asyncio logs for each connection that it cannot accept."""
        return not str(record.msg).startswith(_FLOOD) or self._floods.count() > 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError) as reason:
            # A bug of the library: its arguments do not fit its format. That must not make a request fail.
            text = f"{record.msg} ({type(reason).__name__} in its arguments)"
        self._logger.warning("library.warned", library=record.name, text=text)
