"""A daemon that makes grants, as the control protocol has it, and that can misbehave."""

from __future__ import annotations

import asyncio
import json
import os

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mayfly.shared.credentials import instant_text
from support.control import response
from support.world import PATIENCE_SECONDS


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
TOKEN = "T" * 43
UNKNOWN_PATH = (404, {"code": "NotFound", "message": "unknown path"})
UNKNOWN_GRANT = (404, {"code": "UnknownGrant", "message": "there is no such grant"})


def refused(message: str) -> tuple[int, dict[str, Any]]:
    return 400, {"code": "GrantRefused", "message": message, "hint": "", "needs_human": False, "problems": []}


class Granter:
    """The daemon. `made` is laid over the answer about a new grant, `answers` has others by method and path.

    `asked` has every request: method, path and body. `held` has the IDs of grants that somebody holds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made: dict[str, Any] = {}
        self.answers: dict[str, tuple[int, Any]] = {}
        self.rows: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.held: dict[str, asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    def row(self, grant_id: str = "1a2b3c4d", label: str = "claude", profile: str = "nsrc", **more: Any) -> None:
        """One more grant."""
        row = {"id": grant_id, "label": label, "profile": profile, "narrowing": "read-only", "as": "endpoint"}
        row |= {"ends_at": in_future(3599), "uses": 3, "last_used_by": "terraform", "last_used_at": in_future(-9)}
        self.rows.append(row | {"state": "none", "held": False} | more)

    def bodies(self, method: str = "POST", path: str = "/grants") -> list[Any]:
        return [body for asked, where, body in self.asked if (asked, where) == (method, path)]

    async def until(self, method: str, path: str, times: int = 1) -> None:
        """Wait for a request."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.bodies(method, path)) < times:
                await asyncio.sleep(0.01)

    async def until_held(self, *ids: str) -> None:
        """Wait until exactly these are held."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while set(self.held) != set(ids):
                await asyncio.sleep(0.01)

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        """As a restart does: nobody listens, and every connection breaks off."""
        assert self._server is not None
        self._server.close()
        with suppress(FileNotFoundError):
            os.unlink(self.path)  # noqa: PTH108 - does not block
        for writer in self.held.values():
            writer.close()
        self.held.clear()

    def end(self, grant_id: str, cause: str) -> None:
        """End a grant that is held."""
        self.held[grant_id].write(json.dumps({"ended": cause}).encode() + b"\n")
        self.held[grant_id].close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, *_ = head.split()
            length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0] or 0)
            body = await reader.readexactly(length)
            self.asked.append((method, path, json.loads(body) if body else None))
            status, tree = self.answers.get(f"{method} {path}") or self._answer(method, path)
            if status == 200 and path.endswith("/hold"):
                await self._hold(path.split("/")[2], reader, writer)
            else:
                writer.write(response(status, tree if isinstance(tree, bytes) else json.dumps(tree).encode()))
                await writer.drain()
        writer.close()

    async def _hold(self, grant_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.held[grant_id] = writer
        writer.write(_HEAD + b'{"held":true}\n')
        await reader.read()
        self.held.pop(grant_id, None)

    def _answer(self, method: str, path: str) -> tuple[int, Any]:
        match method, path.split("/")[1:]:
            case "POST", ["grants"]:
                return 200, self._new(self.asked[-1][2])
            case "GET", ["grants"]:
                return 200, self.rows
            case "POST", ["grants", _, "hold" | "approve" | "deny"]:
                return 200, {}
            case "DELETE", ["grants", grant_id]:
                return 200, {"id": grant_id, "session_name": None, "outlives_until": None}
        return UNKNOWN_PATH

    def _new(self, wish: dict[str, Any]) -> dict[str, Any]:
        none = dict.fromkeys(("token_path", "socket", "folder", "config_file", "credentials_file", "credentials"))
        grant = {key: wish[key] for key in ("label", "profile", "as")}
        asked = wish["narrowing"]
        narrowing = asked["words"] or " and ".join(arn.rpartition("/")[2] for arn in asked["policy_arns"])
        grant["narrowing"] = narrowing or ("a policy of its own" if asked["policy"] else None)
        more = {"id": "1a2b3c4d", "ends_at": in_future(wish["seconds"]), "session_name": None, "outlives_seconds": 0}
        return none | grant | more | {"token": TOKEN, "warnings": []} | self.made


def in_future(seconds: int) -> str:
    return instant_text(datetime.now(UTC) + timedelta(seconds=seconds))


@asynccontextmanager
async def granter(path: Path) -> AsyncIterator[Granter]:
    """Such a daemon at a control socket."""
    os.makedirs(path.parent, mode=0o700, exist_ok=True)  # noqa: PTH103 - does not block
    made = Granter(path)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
