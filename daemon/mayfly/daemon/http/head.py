"""The head of a request (request line, headers and the empty line after them), limited in its length."""

from __future__ import annotations

from typing import Any

from aiohttp.http_exceptions import BadHttpMessage


# A read is shorter than this limit, so only a head that is open at its start can exceed the limit in it.
HEAD_BYTES = 32 * 1024
READ_BYTES = 16 * 1024
END_OF_HEAD = b"\r\n\r\n"


class OpenHead:
    """Counts the bytes of the head that has begun on a connection; `bytes` is 0 between two requests."""

    __slots__ = ("_tail", "bytes")

    def __init__(self) -> None:
        self.bytes = 0
        self._tail = b""

    def is_too_long(self, data: bytes) -> bool:
        """Count the bytes of the head that is open, and then of the one that begins in `data`.

        The bytes of a body count as the beginning of the next head.
        """
        seen = self._tail + data
        first, last = seen.find(END_OF_HEAD), seen.rfind(END_OF_HEAD)
        head_bytes = self.bytes + len(data)
        if first >= 0:
            open_bytes = len(seen) - last - len(END_OF_HEAD)
            head_bytes -= len(seen) - first - len(END_OF_HEAD)
            self.bytes, self._tail = open_bytes, seen[len(seen) - min(open_bytes, 3) :]
        else:
            self.bytes, self._tail = head_bytes, seen[-3:]
        return head_bytes > HEAD_BYTES


class RefusingParser:
    """Takes the place of aiohttp's parser when no more bytes shall be read: the next request is malformed."""

    def feed_data(self, _data: bytes) -> Any:
        """Refuse every byte."""
        raise BadHttpMessage("the head is too long")

    def message_consumed(self) -> None:
        """Do nothing: there is no queue."""

    pause_reading = resume_reading = message_consumed
