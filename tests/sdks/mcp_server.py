"""An MCP server on the official Python SDK, in a grant, that works on after its first credentials have ended.

A real MCP client starts it by `mayfly grant PROFILE -- python server.py`, over stdio, as agents do. The time of all
processes jumps over the end of a session of 30 minutes; then the grant is revoked.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile

from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.sdks.toolchains import SOURCES, Built
from tests.soak.clock import Clock
from tests.soak.stage import Stage, stage
from tests.support.world import SEED_ACCOUNT


ANSWER_SECONDS = 60
SESSION_SECONDS = 30 * 60
# botocore asks for new credentials when the old ones have less than this, and fails if there are none.
MANDATORY_SECONDS = 10 * 60
REVOKED = "this grant has ended: it was revoked"


class Asked:
    """An MCP client whose server is in a grant."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def answer(self) -> tuple[bool, str]:
        """Whether the server's tool failed, and what it said."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"\n")
        async with asyncio.timeout(ANSWER_SECONDS):
            line = await self._process.stdout.readline()
        if not line:
            return True, "the client has ended"
        failed, text = json.loads(line)
        return failed, text


async def outlives_its_credentials(built: Built) -> tuple[bool, str]:
    """Whether the server works with the second session as with the first, and not after `mayfly revoke`."""
    with tempfile.TemporaryDirectory(prefix="mayfly-sdks-") as name:
        folder = Path(name)
        with Clock(folder, starts_at=datetime.now(UTC), rate=1) as clock:
            async with stage(folder, clock) as on, _client(on, built) as client:
                return await _played(on, client)


async def _played(on: Stage, client: Asked) -> tuple[bool, str]:
    first = await client.answer()
    on.clock.jump(SESSION_SECONDS + 60)
    second = await client.answer()
    revoked = await on.world.run("revoke", "mcp", env=on.env)
    on.clock.jump(SESSION_SECONDS - MANDATORY_SECONDS + 60)
    third = await client.answer()
    arn = rf"arn:aws:sts::{SEED_ACCOUNT}:assumed-role/Admin/mayfly-mcp-[0-9a-f]{{8}} \w+"
    if not all(not failed and re.fullmatch(arn, text) for failed, text in (first, second)):
        return False, f"{first[1]}; a session later: {second[1]}"
    if first == second:
        return False, f"no second session: {first[1]}"
    if revoked.code or not third[0] or REVOKED not in third[1]:
        return False, f"after revoke ({revoked.code}): {third[1]}"
    return True, "worked on after its first credentials, and not after revoke"


@asynccontextmanager
async def _client(on: Stage, built: Built) -> AsyncIterator[Asked]:
    on.sit("present")
    on.world.vault.update(prompt={"answer": "approve", "delay_s": 0})
    python = built.argv[0]
    grant = (sys.executable, "-m", "mayfly", "grant", "nsrc-admin", "--for", "2h", "--read-only", "--label", "mcp")
    process = await asyncio.create_subprocess_exec(
        *(python, str(SOURCES / "mcp/client.py")),
        *(*grant, "--", python, str(SOURCES / "mcp/server.py")),
        stdin=PIPE,
        stdout=PIPE,
        # What botocore writes of the refusal, with its way through the code.
        stderr=DEVNULL,
        env=on.world.with_env(on.env),
        cwd=on.world.home,
    )
    try:
        yield Asked(process)
        assert process.stdin
        process.stdin.close()
        async with asyncio.timeout(ANSWER_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
