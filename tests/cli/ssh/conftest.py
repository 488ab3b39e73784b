"""A world in which a stand-in makes the grants, and a host with a real sshd."""

from __future__ import annotations

import asyncio
import json

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from support.control import response
from support.granter import TOKEN, Granter, granter
from support.sshd import Sshd, sshd
from support.world import World


@pytest.fixture(name="there")
async def _there(tmp_path: Path) -> AsyncIterator[Sshd]:
    """The host."""
    async with sshd(tmp_path / "there") as made:
        yield made


@pytest.fixture(name="granting")
async def _granting(world: World) -> AsyncIterator[Granter]:
    """The stand-in at the world's control socket. Behind a grant's socket, the grant's token gets an answer."""
    path = world.folder / "grant.sock"
    server = await asyncio.start_unix_server(_answer, path)
    async with granter(world.run_dir / "control.sock") as made:
        made.made = {"socket": str(path)}
        yield made
    server.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        is_known = f"\r\nAuthorization: {TOKEN}\r\n" in head
        first, host = head.split("\r\n")[0], head.lower().partition("\r\nhost: ")[2].split("\r\n")[0]
        writer.write(response(200 if is_known else 401, json.dumps([first, host]).encode()))
        await writer.drain()
