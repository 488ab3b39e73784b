"""The control socket: the HTTP face for the user's own commands, on a Unix socket that nobody else can open.

GET /status                    what is fresh until when, what is next, what went wrong
POST /profiles/P/login         fresh credentials now, waiting for the human
POST /profiles/P/forget        drop them
POST /profiles/P/verify        who AWS takes the session for
GET /process/P                 the JSON of credential_process, waiting for the human
POST /reload                   take over a changed config
GET /events                    what happens, as server-sent events
"""

from __future__ import annotations

import json

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from aiohttp import web

from mayfly.credentials import process_body
from mayfly.errors import ConfigInvalid, MayflyError
from mayfly.events import Events
from mayfly.keeper import Keeper
from mayfly.session import Trigger
from mayfly.web import Answer, json_answer, refusal


Route = Callable[[str], Awaitable[Answer]]

_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n"


class Control:
    """Answers on the control socket; `status` and `reload` are the daemon's."""

    def __init__(
        self,
        keeper: Keeper,
        events: Events,
        *,
        status: Callable[[], dict[str, Any]],
        reload: Callable[[], Awaitable[None]],
    ) -> None:
        self._keeper = keeper
        self._events = events
        self._status = status
        self._reload = reload
        self._routes: dict[tuple[str, str, str], Route] = {
            ("GET", "status", ""): self._show_status,
            ("POST", "reload", ""): self._take_over,
            ("GET", "process", ""): self._process,
            ("POST", "profiles", "login"): self._login,
            ("POST", "profiles", "forget"): self._forget,
            ("POST", "profiles", "verify"): self._verify,
        }

    async def handle(self, request: web.BaseRequest) -> Answer:
        """The answer to one request."""
        if (request.method, request.path) == ("GET", "/events"):
            return await self._listen(request)
        place, profile, action = (*request.path.lstrip("/").split("/"), "", "", "")[:3]
        route = self._routes.get((request.method, place, action))
        if route is None:
            return refusal(404, "NotFound", "there is nothing here")
        if profile and profile not in self._keeper.config.profiles:
            return refusal(404, "UnknownProfile", f"there is no profile {profile[:64]} in {self._keeper.config.source}")
        try:
            return await route(profile)
        except MayflyError as error:
            return told(error)

    async def _listen(self, request: web.BaseRequest) -> Answer:
        """Server-sent events, until the listener or the daemon goes."""
        transport = request.transport
        if transport is not None:
            transport.write(_STREAM_HEAD)
            async for event in self._events.listen():
                transport.write(b"data: " + json.dumps(event, default=str).encode() + b"\n\n")
        raise ConnectionResetError("the stream has ended")

    async def _show_status(self, _profile: str) -> Answer:
        return json_answer(200, self._status())

    async def _take_over(self, _profile: str) -> Answer:
        await self._reload()
        return json_answer(200, {"config": self._keeper.config.source})

    async def _process(self, profile: str) -> Answer:
        credentials = self._keeper.take(profile) or await self._keeper.obtain(profile, Trigger.CLIENT)
        return Answer(200, process_body(credentials))

    async def _login(self, profile: str) -> Answer:
        await self._keeper.obtain(profile, Trigger.PERSON)
        mine = next(row for row in self._keeper.status() if row.profile == profile)
        return json_answer(200, {"profile": profile, "expires_in_seconds": mine.expires_in_seconds})

    async def _forget(self, profile: str) -> Answer:
        self._keeper.forget([profile])
        return json_answer(200, {"profile": profile})

    async def _verify(self, profile: str) -> Answer:
        return json_answer(200, attrs.asdict(await self._keeper.identify(profile)))


def told(error: MayflyError) -> Answer:
    """An error with all that a command needs to speak of it and to choose its exit code."""
    problems = list(error.problems) if isinstance(error, ConfigInvalid) else []
    return json_answer(
        error.http_status,
        {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "needs_human": error.needs_human,
            "problems": problems,
        },
    )
