"""How the desk asks the platform's own programs."""

from __future__ import annotations

import asyncio
import os

from contextlib import suppress

from mayfly.shared import programs
from mayfly.shared.desk import ANSWER_SECONDS


async def ask(program: str, *arguments: str) -> str | None:
    """What a program of the platform prints; None if it is missing or cannot be trusted, fails, or takes too long."""
    try:
        found = programs.find(program, os.environ)
    except programs.NotFound:
        return None
    try:
        process = await asyncio.create_subprocess_exec(
            found,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    out = None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                out, _ = await process.communicate()
    finally:
        # Also where whoever asks has gone: nothing is left running.
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode(errors="replace") if out is not None and process.returncode == 0 else None
