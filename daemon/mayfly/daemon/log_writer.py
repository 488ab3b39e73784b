"""Writes the log from a thread of its own, so that the event loop never waits for the log's reader.

write(2) blocks while a pipe is full, a terminal is stopped (Ctrl-S) or a disk hangs. O_NONBLOCK does not help: it
belongs to the open file, so the user's terminal would keep it after us, and journald's socket cannot be opened anew.

The queue is bounded. When it is full, the oldest line is dropped. The next event that is written carries the number of
lines lost before it, in `dropped`.
"""

from __future__ import annotations

import io
import os
import threading
import time

from collections import deque
from collections.abc import Callable
from typing import Any

from mayfly.daemon.redaction import redacted


QUEUE_LINES = 512
# Somebody else has made the file non-blocking, and it is full.
RETRY_SECONDS = 0.05

Event = dict[str, Any]


class LogWriter:
    """Writes events, as `render` makes lines of them, and lines of text to `descriptor`, in order.

    The thread is a daemon thread and is never joined: a blocked write blocks neither the loop nor the exit. It
    writes to the descriptor, because a blocked write to `sys.stderr` holds a lock that the interpreter takes when it
    ends.
    """

    def __init__(self, descriptor: int, render: Callable[[Event], str], *, encoding: str = "utf-8") -> None:
        self._descriptor = descriptor
        self._render = render
        self._encoding = encoding
        self._queue: deque[Event | str] = deque()
        self._changed = threading.Condition()
        self._dropped = 0
        self._is_closed = False
        self._has_ended = False
        self._is_torn = False
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def put(self, line: Event | str) -> None:
        """Have a line written. Returns at once."""
        with self._changed:
            if len(self._queue) >= QUEUE_LINES:
                self._queue.popleft()
                self._dropped += 1
            self._queue.append(line)
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Wait until all lines are written, or for `seconds`. Lines that come later are not written."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._has_ended, seconds)

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            line, dropped = taken
            text = line if isinstance(line, str) else self._render(line | ({"dropped": dropped} if dropped else {}))
            if not self._is_written(text):
                with self._changed:
                    self._dropped += dropped + 1

    def _next(self) -> tuple[Event | str, int] | None:
        """The next line, with the number of those lost before it if it can carry one. None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_closed)
            if not self._queue:
                self._has_ended = True
                self._changed.notify_all()
                return None
            line = self._queue.popleft()
            dropped = 0 if isinstance(line, str) else self._dropped
            self._dropped -= dropped
            return line, dropped

    def _is_written(self, text: str) -> bool:
        # After half a line (a disk was full in the midst of it), the next one begins on a line of its own.
        whole = f"\n{text}\n" if self._is_torn else f"{text}\n"
        rest = whole.encode(self._encoding, "backslashreplace")
        size = len(rest)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                time.sleep(RETRY_SECONDS)
            except OSError:
                self._is_torn = self._is_torn or len(rest) < size
                return False
        self._is_torn = False
        return True


class LogStream(io.TextIOBase):
    """`sys.stderr` of the daemon: what is printed (by us, by `warnings`, by Python itself) goes the same way."""

    def __init__(self, writer: LogWriter, descriptor: int) -> None:
        super().__init__()
        self._writer = writer
        self._descriptor = descriptor
        self._rest = ""

    def write(self, text: str) -> int:
        """Take text; a line goes on when it is whole."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._writer.put(redacted(line))
        return len(text)

    def close(self) -> None:
        """Hand on a line that has no end."""
        if self._rest:
            self.write("\n")
        super().close()

    def writable(self) -> bool:
        """True."""
        return True

    def isatty(self) -> bool:
        """True if the log is read on a terminal."""
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        """The log's descriptor."""
        return self._descriptor
