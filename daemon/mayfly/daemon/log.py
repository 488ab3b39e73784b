"""The daemon's log: events with facts, as lines for people on a terminal and as JSON elsewhere.

Which events there are, and with which fields: `log_events`. What is taken out of free text: `redaction`.
"""

from __future__ import annotations

import logging
import sys

from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

from mayfly.daemon import log_events
from mayfly.daemon.log_counter import LogCounter


# structlog imports rich where it is installed (4 MiB, 160 ms) for tracebacks that we do not print. While the entry is
# None, Python says that there is no rich.
_without_rich = "rich" not in sys.modules
if _without_rich:
    sys.modules["rich"] = None  # type: ignore[assignment] # what the import system itself puts there for a blocked name
import structlog  # noqa: E402 - after the above


if _without_rich:
    del sys.modules["rich"]

Event = MutableMapping[str, Any]


class _Lossy:
    """A stream that may be full, or gone (a terminal that is closed): a line is lost then, and nobody's request."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def open_log(stream: TextIO = sys.stderr) -> Any:
    """The daemon's logger, bound to `stream`. Warnings of libraries come along as `library.warned`."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
        if stream.isatty()
        else structlog.processors.JSONRenderer()
    )
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    chain = [structlog.processors.format_exc_info, _admit, structlog.processors.add_log_level, stamp, renderer]
    logger = structlog.wrap_logger(
        structlog.WriteLogger(cast(TextIO, _Lossy(stream))),
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(handlers=[_Bridge(logger)], level=logging.WARNING, force=True)
    return logger


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
            # The library's own slip: its arguments do not fit its words. No request fails for that.
            text = f"{record.msg} ({type(reason).__name__} in its arguments)"
        self._logger.warning("library.warned", library=record.name, text=text)
