"""Programs that a check runs: within a time, with a limit on their output, without input, in no folder of the user's.

A program that is too slow or prints too much is ended with its process group: SIGTERM, then SIGKILL.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple


SECONDS = 5
GRACE_SECONDS = 0.5
CAP_BYTES = 256 * 1024
_CHUNK_BYTES = 16 * 1024


class Asked(NamedTuple):
    """How a program ended. `problem` is "" if it has ended by itself; its exit code may still be a failure."""

    output: str = ""
    exit_code: int = 0
    problem: str = ""


def ask(
    argv: Sequence[str], environ: Mapping[str, str], *, seconds: float = SECONDS, grace_seconds: float = GRACE_SECONDS
) -> Asked:
    """Run a program by its absolute path, and return what it printed on standard output."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
            cwd="/",
            start_new_session=True,
        )
    except OSError as reason:
        return Asked(problem=f"{argv[0]} cannot be run: {reason.strerror}")
    try:
        return _heard(process, time.monotonic() + seconds, f"{argv[0]} did not end within {seconds:g} s")
    finally:
        _end(process, grace_seconds)


def _end(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """End the program, if it runs, and what it has left behind in its group."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    _signal(process, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _heard(process: subprocess.Popen[bytes], until: float, too_late: str) -> Asked:
    assert process.stdout is not None  # noqa: S101 - for mypy: it was made with a pipe
    printed = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        # A child that the program leaves behind may hold the pipe open.
        while process.poll() is None or selector.select(0):
            if time.monotonic() > until:
                return Asked(problem=too_late)
            if selector.select(0.05):
                chunk = os.read(process.stdout.fileno(), _CHUNK_BYTES)
                printed += chunk
                if len(printed) > CAP_BYTES:
                    return Asked(problem="it printed far more than expected")
                if not chunk:
                    break
    try:
        exit_code = process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return Asked(problem=too_late)
    return Asked(printed.decode(errors="replace"), exit_code)
