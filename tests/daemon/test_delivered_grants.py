"""Grants by socket and by file, from outside: delivered by a real daemon, over its restart, and gone when they end."""

from __future__ import annotations

import asyncio
import json
import stat

from pathlib import Path
from typing import Any

import pytest

from support.deliveries import descriptor_of
from support.raw import Reply, dial_unix, filled, get
from support.world import PATIENCE_SECONDS, World


ASKING = get("/credentials/nsrc", "Authorization: {token}", host="localhost:9")


async def control(world: World, method: str, target: str, tree: Any = None) -> Reply:
    body = b"" if tree is None else json.dumps(tree).encode()
    head = f"{method} {target} HTTP/1.1\r\nHost: mayfly\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    async with dial_unix(world.run_dir / "control.sock") as line:
        line.send(head.encode() + body)
        return await line.reply()


async def ask(path: str, token: str) -> int:
    async with dial_unix(Path(path)) as line:
        line.send(filled(ASKING, token=token))
        # Interim answers come while the credentials are got.
        while (reply := await line.reply()).status == 100:
            pass
        return reply.status


async def until_gone(world: World, grant_id: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (world.run_dir / "grants" / grant_id).exists():
            await asyncio.sleep(0.02)


def content_and_mode(path: str) -> tuple[str, str]:
    return Path(path).read_text(), stat.filemode(Path(path).stat().st_mode)


async def test_a_grant_by_socket_goes_on_over_a_restart_and_ends_when_revoked(world: World) -> None:
    """On its socket its own token counts and no other, a mount made before reaches the next daemon, and all goes."""
    wanted = {"profile": "nsrc", "as": "socket", "token_file": True}
    async with world.serve():
        made = (await control(world, "POST", "/grants", wanted)).json
        first = [await ask(made["socket"], token) for token in (made["token"], world.token(), "x")]
        on_the_port = (await world.get(token=made["token"])).status
        mount = f"/proc/self/fd/{descriptor_of(made['folder'])}/s"
    async with world.serve() as daemon:
        second = [await ask(mount, made["token"]), await ask(mount, world.token())]
        revoked = await control(world, "DELETE", f"/grants/{made['id']}")
        await until_gone(world, made["id"])
        with pytest.raises(OSError, match=r"No such file|refused"):
            await ask(mount, made["token"])
        left = daemon.events("grant.folder_left")

    assert [200, 401, 401] == first
    assert (200, [200, 401], 200) == (on_the_port, second, revoked.status)
    assert [] == left


async def test_a_grant_by_file_has_its_credentials_at_once_and_goes_when_revoked(world: World) -> None:
    """No URL and no token: a config that prints a file."""
    wanted = {"profile": "nsrc", "as": "file", "allow_disk": True}
    async with world.serve():
        made = (await control(world, "POST", "/grants", wanted)).json
        body, mode = content_and_mode(made["credentials_file"])
        config, _ = content_and_mode(made["config_file"])
        told = (await world.get()).json
        await control(world, "DELETE", f"/grants/{made['id']}")
        await until_gone(world, made["id"])

    credentials = json.loads(body)
    assert (told["AccessKeyId"], 1, "-rw-r--r--") == (credentials["AccessKeyId"], credentials["Version"], mode)
    assert (None, None) == (made["token"], made["socket"])
    assert f"credential_process = /bin/cat '{made['credentials_file']}'" in config
