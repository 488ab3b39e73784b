"""A relay as a process of its own, started as containers start it: the one file, by a Python without our libraries."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mayfly.cli import relay

from .world import PATIENCE_SECONDS, measured


FILE = Path(relay.__file__)


class Relay:
    """A relay that listens."""

    def __init__(self, process: asyncio.subprocess.Process, host: str, port: int) -> None:
        self.process = process
        self.host = host
        self.port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client's connection; it is closed with the relay, if not before."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        self._writers.append(writer)
        return reader, writer

    async def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def said(self) -> str:
        """Its next line on standard error."""
        assert self.process.stderr
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await self.process.stderr.readline()).decode().rstrip("\n")

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send it the signal; its exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


@asynccontextmanager
async def relaying(to: str, listen: str = "127.0.0.1:0", python: str = sys.executable) -> AsyncIterator[Relay]:
    """A relay to `to`, until the block ends; what it keeps back for `PATIENCE_SECONDS` fails the test."""
    # Coverage follows a Python with libraries only. Where it does, the relay is the command, not the file alone.
    followed = measured() if python == sys.executable else {}
    program = ("-m", "mayfly", "relay") if followed else ("-I", "-S", str(FILE))
    process = await asyncio.create_subprocess_exec(
        *(python, *program, "--listen", listen, "--to", to),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **followed},
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            running = await _started(process, to)
            yield running
            await running.hang_up()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _started(process: asyncio.subprocess.Process, to: str) -> Relay:
    assert process.stdout
    address = (await process.stdout.readline()).decode()
    found = re.fullmatch(r"\[?([^\]]+?)\]?:(\d+)\n", address)
    assert found, address
    running = Relay(process, found[1], int(found[2]))
    assert f"mayfly: relaying {address.strip()} to {to}" == await running.said()
    return running
