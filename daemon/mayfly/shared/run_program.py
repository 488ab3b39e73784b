"""Runs a program of the platform to its end, within a time limit that always holds.

`subprocess.run` reads until nobody holds the program's output open. So a program that ends and leaves a child behind
would have failed after the whole time limit, and after the limit its children would live on.

`exchange/onepassword/child.py` is another, for `op`: it feeds input, and ends descendants in sessions of their own.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import time

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


MAX_OUTPUT_BYTES = 1024 * 1024
# For a killed program to end. One that is stuck in the kernel may take for ever.
KILL_SECONDS = 0.5
_POLL_SECONDS = 0.05
_CHUNK_BYTES = 64 * 1024


class Ended(NamedTuple):
    """The exit code of a program (negative: a signal's number), and what it printed. Bytes that are no text stay."""

    exit_code: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str | Path],
    *,
    seconds: float,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    grace_seconds: float = 0,
) -> Ended:
    """How a program ended. Without `environ` and `folder` it has ours; it has no input.

    Raises OSError: TimeoutError if it does not end in time, EFBIG if it prints more than MAX_OUTPUT_BYTES, else it
    cannot be started. A program that has to be ended has `grace_seconds` to end by itself. What it leaves behind in its
    process group is killed; a child in a session of its own lives on.
    """
    until = time.monotonic() + seconds
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environ,
        cwd=folder,
        start_new_session=True,
    )
    try:
        printed = _printed(process, until)
        exit_code = process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    finally:
        _end(process, grace_seconds)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
    return Ended(exit_code, *(text.decode(errors="surrogateescape") for text in printed))


def _printed(process: subprocess.Popen[bytes], until: float) -> list[bytearray]:
    """Standard output and standard error, up to their ends, or up to the end of the program."""
    printed = [bytearray(), bytearray()]
    with selectors.DefaultSelector() as selector:
        for stream, text in zip((process.stdout, process.stderr), printed, strict=True):
            assert stream is not None  # noqa: S101 - for mypy: made with pipes
            selector.register(stream, selectors.EVENT_READ, text)
        while selector.get_map():
            if time.monotonic() > until:
                raise TimeoutError
            has_ended = process.poll() is not None
            ready = selector.select(0 if has_ended else _POLL_SECONDS)
            if has_ended and not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK_BYTES)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
                if len(key.data) > MAX_OUTPUT_BYTES:
                    raise OSError(errno.EFBIG, "it printed too much")
    return printed


def _end(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """End the program if it runs, and all that is in its process group."""
    if grace_seconds and process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    _signal(process, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILL_SECONDS)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    # The group may be empty by now (macOS says so with EPERM).
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
