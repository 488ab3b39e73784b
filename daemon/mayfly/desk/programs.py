"""The platform's programs, run for the desk."""

from __future__ import annotations

import asyncio
import os

from contextlib import suppress

from mayfly.shared import programs
from mayfly.shared.desk import ANSWER_SECONDS


async def ask(program: str, *arguments: str) -> str | None:
    """The output of a program; None if it is absent or cannot be trusted, fails, or takes longer than ANSWER_SECONDS.

    Arguments are passed as UTF-8 in every locale, because notify-send refuses other bytes (libnotify,
    tools/notify-send.c), and a name in Cyrillic has none in Latin-1.
    """
    try:
        found = programs.find(program, os.environ)
    except programs.NotFound:
        return None
    try:
        process = await asyncio.create_subprocess_exec(
            found,
            *(argument.encode(errors="replace") for argument in arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except (OSError, ValueError):  # ValueError: a NUL in an argument
        return None
    out = None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                out, _ = await process.communicate()
    finally:
        # No program is left running, also if the question was cancelled.
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode(errors="replace") if out is not None and process.returncode == 0 else None
