"""The control socket: the HTTP face for the user's own commands, on a Unix socket that nobody else can open.

GET /status                    what is fresh until when, what is next, what went wrong
POST /profiles/P/login         fresh credentials now, waiting for the human
POST /profiles/P/forget        drop them
POST /profiles/P/verify        who AWS takes the session for
GET /process/P                 the JSON of credential_process, waiting for the human
POST /reload                   take over a changed config, and the tokens
POST /tokens                   take over the tokens alone; which could not be, and why
GET /events                    what happens, as server-sent events

The rest is 404, another method 405. Errors carry what a command needs to speak of them: `code`, `message`, `hint`,
`needs_human`, `problems`.
"""

from __future__ import annotations

import json

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, cast

import attrs

from aiohttp import web

from mayfly.daemon.audit import Audit
from mayfly.daemon.events import Events
from mayfly.daemon.http.answer import Answer, json_answer, refusal
from mayfly.daemon.http.connection import Connection
from mayfly.daemon.keeper import Keeper
from mayfly.session.demand import Requester, Trigger
from mayfly.shared.credentials import process_body
from mayfly.shared.errors import ConfigInvalid, MayflyError


class Question(NamedTuple):
    """What a route is asked: about which profile, and by which process (0: not known)."""

    profile: str
    pid: int


Route = tuple[str, Callable[[Question], Awaitable[Answer]]]

_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n"


class Control:
    """Answers on the control socket; `status`, `reload` and `take_over_tokens` are the daemon's."""

    def __init__(
        self,
        keeper: Keeper,
        events: Events,
        audit: Audit,
        *,
        status: Callable[[], Awaitable[dict[str, Any]]],
        reload: Callable[[], Awaitable[None]],
        take_over_tokens: Callable[[], Awaitable[dict[str, str]]],
    ) -> None:
        self._keeper = keeper
        self._events = events
        self._audit = audit
        self._status = status
        self._reload = reload
        self._take_over_tokens = take_over_tokens
        self._routes: dict[str, Route] = {
            "/status": ("GET", self._show_status),
            "/events": ("GET", self._listen),
            "/reload": ("POST", self._take_over),
            "/tokens": ("POST", self._renew),
            "/process/P": ("GET", self._process),
            "/profiles/P/login": ("POST", self._login),
            "/profiles/P/forget": ("POST", self._forget),
            "/profiles/P/verify": ("POST", self._verify),
        }

    async def handle(self, request: web.BaseRequest) -> Answer:
        """The answer to one request."""
        place, profile = _place(request.path)
        method, route = self._routes.get(place, ("", None))
        if route is None:
            return refusal(404, "NotFound", "there is nothing here")
        if request.method != method:
            return refusal(405, "MethodNotAllowed", f"only {method} is answered here", headers=f"Allow: {method}\r\n")
        if profile is not None and profile not in self._keeper.config.profiles:
            return refusal(404, "UnknownProfile", f"there is no profile {profile[:64]} in {self._keeper.config.source}")
        try:
            peer = cast(Connection, request.protocol).peer
            return await route(Question(profile or "", peer.pid if peer else 0))
        except MayflyError as error:
            # It may be the session's last error, raised for every client: it must not keep all their frames.
            error.__traceback__ = None
            return told(error, profile or "")

    async def _show_status(self, _question: Question) -> Answer:
        return json_answer(200, await self._status())

    async def _listen(self, _question: Question) -> Answer:
        return Stream(self._events)

    async def _take_over(self, _question: Question) -> Answer:
        await self._reload()
        return json_answer(200, {"config": self._keeper.config.source})

    async def _renew(self, _question: Question) -> Answer:
        return json_answer(200, {"refused": await self._take_over_tokens()})

    async def _process(self, question: Question) -> Answer:
        profile = question.profile
        requester = Requester(pid=question.pid)
        credentials = self._keeper.take(profile, requester) or await self._keeper.obtain(
            profile, Trigger.CLIENT, requester
        )
        await self._audit.note(profile, "credential_process", None, pid=question.pid)
        return Answer(200, process_body(credentials))

    async def _login(self, question: Question) -> Answer:
        profile = question.profile
        await self._keeper.obtain(profile, Trigger.PERSON)
        mine = next(row for row in self._keeper.status() if row.profile == profile)
        return json_answer(200, {"profile": profile, "expires_in_seconds": mine.expires_in_seconds})

    async def _forget(self, question: Question) -> Answer:
        self._keeper.forget([question.profile])
        return json_answer(200, {"profile": question.profile})

    async def _verify(self, question: Question) -> Answer:
        return json_answer(200, attrs.asdict(await self._keeper.identify(question.profile)))


class Stream(Answer):
    """Server-sent events, until the listener or the daemon goes."""

    def __init__(self, events: Events) -> None:
        super().__init__(200, b"")
        self._events = events

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write every event as it comes."""
        connection = cast(Connection, request.protocol)
        connection.write(_STREAM_HEAD)
        async for event in self._events.listen():
            connection.write(b"data: " + json.dumps(event, default=str).encode() + b"\n\n")
            # A listener that does not keep up loses events, and costs no memory.
            await request.writer.drain()
        raise ConnectionResetError("the stream has ended")


def _place(path: str) -> tuple[str, str | None]:
    """A path with P in the place of the profile, and the profile (None where it has no place)."""
    match path.split("/"):
        case ["", "process" | "profiles" as room, profile, *action]:
            return "/".join(["", room, "P", *action]), profile
        case _:
            return path, None


def told(error: MayflyError, profile: str = "") -> Answer:
    """An error about `profile` with all that a command needs to speak of it and to choose its exit code."""
    problems = list(error.problems) if isinstance(error, ConfigInvalid) else []
    return json_answer(
        error.http_status,
        {
            "code": error.code,
            "message": error.message,
            "hint": error.hint_for(profile),
            "needs_human": error.needs_human,
            "problems": problems,
        },
    )
