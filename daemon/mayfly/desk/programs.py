"""The platform's programs, run for the desk."""

from __future__ import annotations

import asyncio
import os
import signal

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from mayfly.shared import programs
from mayfly.shared.desk import ANSWER_SECONDS


# loginctl prints less than 1 KiB; ioreg prints a line for each device, some tens of KiB.
MAX_OUTPUT_BYTES = 256 * 1024
# For an interrupted or killed program to end. One that is stuck in the kernel may take for ever.
KILL_SECONDS = 0.5


class Ended(NamedTuple):
    """How a program ended. LATE: it took too long, and was killed with its children."""

    exit_code: int
    output: str = ""


LATE = Ended(-signal.SIGKILL)


async def ask(program: str, *arguments: str) -> str | None:
    """The output of a program; None if it is absent, cannot be trusted, or fails.

    A program that takes longer than ANSWER_SECONDS has failed.
    """
    ended = await run(program, *arguments, seconds=ANSWER_SECONDS)
    return ended.output if ended and ended.exit_code == 0 else None


async def run(program: str, *arguments: str, seconds: float, is_interrupted: bool = False) -> Ended | None:
    """How a program ended, LATE after so many `seconds`; None if it is absent or cannot be trusted.

    None, too, for a program that prints more than MAX_OUTPUT_BYTES: it is killed with its children. One that
    `is_interrupted` gets a SIGINT before it is killed.

    Arguments are passed as UTF-8 in every locale, because notify-send refuses other bytes (libnotify,
    tools/notify-send.c), and a name in Cyrillic has none in Latin-1.
    """
    encoded = [argument.encode(errors="replace") for argument in arguments]
    try:
        found = programs.find(program, os.environ)
        async with (
            _started(found, encoded, is_interrupted=is_interrupted) as (process, output),
            asyncio.timeout(seconds),
        ):
            printed = await _read(output)
            exit_code = await process.wait()
    except TimeoutError:
        return LATE
    except (programs.NotFound, OSError, ValueError):  # ValueError: a NUL in an argument, or too much output
        return None
    return Ended(exit_code, printed.decode(errors="replace"))


def is_there(program: str) -> bool:
    """True if the program can be run."""
    try:
        programs.find(program, os.environ)
    except (programs.NotFound, OSError):
        return False
    return True


@asynccontextmanager
async def _started(
    program: Path, arguments: Sequence[bytes], *, is_interrupted: bool
) -> AsyncIterator[tuple[asyncio.subprocess.Process, FileIO]]:
    """A process, and the end of a pipe that its output comes from. If the body fails, the process is killed.

    The pipe is ours, because asyncio's `wait` waits for its own pipes, too, and a child can hold one open for ever.
    """
    reading, writing = os.pipe()
    with FileIO(reading) as output:
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(writing)
        try:
            yield process, output
        except BaseException:  # also if the question was cancelled
            if is_interrupted:
                await _interrupt(process)
            await _kill(process)
            raise


async def _read(output: FileIO) -> bytes:
    """All of a program's output; raises ValueError if it is too much."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), output)
    printed = b""
    try:
        while chunk := await reader.read(MAX_OUTPUT_BYTES):
            printed += chunk
            if len(printed) > MAX_OUTPUT_BYTES:
                raise ValueError(f"more than {MAX_OUTPUT_BYTES} bytes")
    finally:
        transport.close()
    return printed


async def _interrupt(process: asyncio.subprocess.Process) -> None:
    """Let a program take from the screen what it shows."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    with suppress(TimeoutError):
        async with asyncio.timeout(KILL_SECONDS):
            await process.wait()


async def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill a program and its children, also where it has ended before them. A child in a session of its own lives."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(KILL_SECONDS):
            await process.wait()
