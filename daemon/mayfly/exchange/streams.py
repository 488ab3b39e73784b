"""The exchange's standard streams: a request comes in, results and questions go out, and errors without a secret."""

from __future__ import annotations

import os
import select
import sys

from contextlib import suppress

from mayfly.shared import plain_request


STDIN = 0
STDERR = 2


def request_line() -> bytes:
    """The line with the request; b"" if the client closed its end without one."""
    return sys.stdin.buffer.readline(plain_request.MAX_REQUEST_BYTES + 1)


def ask_permission() -> None:
    """Ask the daemon whether a prompt may still come. No answer means that the daemon no longer listens."""
    write(plain_request.MAY_I)
    if sys.stdin.buffer.readline(len(plain_request.YOU_MAY)) != plain_request.YOU_MAY:
        raise BrokenPipeError


def write(line: bytes) -> None:
    """Write the whole line, unbuffered: Python would print an error for a buffer that it cannot flush at exit."""
    while line:
        line = line[os.write(1, line) :]


def print_error(text: str) -> None:
    """Say to the log what is wrong, unless nobody reads it: a full pipe or a stopped terminal would hold us up."""
    with suppress(OSError):
        if select.select([], [STDERR], [], 0)[1]:
            os.write(STDERR, f"mayfly.exchange: error: {text}\n".encode())
