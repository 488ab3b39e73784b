"""The control socket: the HTTP face for the user's own commands, on a Unix socket that nobody else can open.

GET /status                    each profile's phase, next step and last error
POST /profiles/P/login         get fresh credentials now; waits for the human
POST /profiles/P/obtain        have live credentials, as a client would; waits for the human
POST /profiles/P/forget        drop the credentials
POST /profiles/P/verify        sts get-caller-identity with the profile's session
GET /process/P                 the JSON of credential_process; waits for the human
GET /peek/P                    the same, if there are live credentials; 404 NoSession if not; no use, no prompt
POST /reload                   take over the tokens and a changed config
POST /tokens                   take over the tokens only; answers with the problem of each that cannot be used
GET /events                    the daemon's events, as server-sent events

The routes of grants are in grants_control.py.

A login obeys the lock of the screen. With the body `{"through_lock": true}` it may prompt through the lock, for as long
as the request lasts. With `{"through_lock": false}`, `{}` or no body it obeys. Both `login` and `obtain` take
`{"min_life_seconds": N}`: credentials that live so long are enough, others are not. Any other body is 400. Any other
path is 404, another method 405. An error carries what a command needs for its message and its exit code: `code`,
`message`, `hint`, `needs_human`, `problems`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, cast

import attrs

from aiohttp import web

from mayfly.config import strict_json
from mayfly.daemon.agents import AgentPolicy
from mayfly.daemon.audit import Audit
from mayfly.daemon.event_stream import EventStream
from mayfly.daemon.events import Events
from mayfly.daemon.grants import Grant
from mayfly.daemon.grants_control import GrantsControl
from mayfly.daemon.http.answer import Answer, json_answer, refusal
from mayfly.daemon.http.body import BodyInvalid, read_body
from mayfly.daemon.http.connection import Connection
from mayfly.daemon.http.shared_answer import SharedAnswer
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.routes import Call, Routes, awaiting
from mayfly.session.trigger import Requester, Trigger
from mayfly.shared.credentials import Credentials, process_body
from mayfly.shared.errors import ConfigInvalid, MayflyError


THROUGH_LOCK = '{"through_lock": true}'
MIN_LIFE = '{"min_life_seconds": 3600}'
# The config's rules know AWS's limits. This bound only keeps the arithmetic on instants from failing.
MAX_LIFE_SECONDS = 366 * 24 * 3600


class Wish(NamedTuple):
    """The credentials that the body of a request asks for."""

    through_lock: bool = False
    min_life_seconds: int = 0


class Control:
    """Answers on the control socket; `status`, `reload_config` and `reload_tokens` do the daemon's part."""

    def __init__(
        self,
        keeper: Keeper,
        events: Events,
        audit: Audit,
        agents: AgentPolicy,
        grants: GrantsControl,
        *,
        status: Callable[[], Awaitable[dict[str, Any]]],
        reload_config: Callable[[], Awaitable[None]],
        reload_tokens: Callable[[], Awaitable[dict[str, str]]],
    ) -> None:
        self._keeper = keeper
        self._events = events
        self._audit = audit
        self._agents = agents
        self._status = status
        self._shared_status = SharedAnswer(self._make_status)
        self._reload_config = reload_config
        self._reload_tokens = reload_tokens
        own: dict[str, Routes] = {
            "/status": {"GET": self._show_status},
            "/events": {"GET": self._stream},
            "/reload": {"POST": self._config},
            "/tokens": {"POST": self._tokens},
            "/process/P": {"GET": self._process},
            "/peek/P": {"GET": self._peek},
            "/profiles/P/login": {"POST": self._login},
            "/profiles/P/obtain": {"POST": self._obtain},
            "/profiles/P/forget": {"POST": self._forget},
            "/profiles/P/verify": {"POST": self._verify},
        }
        self._routes = own | grants.routes

    async def handle(self, request: web.BaseRequest) -> Answer:
        """The answer to one request."""
        pattern, profile, grant_id = _pattern(request.path)
        routes = self._routes.get(pattern)
        if routes is None:
            return refusal(404, "NotFound", "unknown path")
        route = routes.get(request.method)
        if route is None:
            methods = ", ".join(routes)
            return refusal(405, "MethodNotAllowed", f"only {methods} is answered here", headers=f"Allow: {methods}\r\n")
        if profile is not None and profile not in self._keeper.config.profiles:
            return refusal(404, "UnknownProfile", f"there is no profile {profile[:64]} in {self._keeper.config.source}")
        try:
            peer = cast(Connection, request.protocol).peer
            return await route(Call(profile or "", peer.pid if peer else 0, request, grant_id))
        except BodyInvalid:
            return refusal(400, "BadRequest", f"the body of a login is empty, or {THROUGH_LOCK}, or {MIN_LIFE}")
        except MayflyError as error:
            # A session's last error is raised for each client. It must not keep the frames of all of them.
            error.__traceback__ = None
            return error_answer(error, profile or "")

    async def _show_status(self, _call: Call) -> Answer:
        return await self._shared_status.get()

    async def _make_status(self) -> Answer:
        return json_answer(200, await self._status())

    async def _stream(self, _call: Call) -> Answer:
        return EventStream(self._events)

    async def _config(self, _call: Call) -> Answer:
        await self._reload_config()
        return json_answer(200, {"config": self._keeper.config.source})

    async def _tokens(self, _call: Call) -> Answer:
        return json_answer(200, {"refused": await self._reload_tokens()})

    async def _process(self, call: Call) -> Answer:
        grant = await self._opened(call)
        credentials = self._keeper.take(grant.session, Requester(pid=call.pid)) if grant.is_allowed else None
        if credentials is None:
            grant, credentials = await self._obtained(call, grant)
        return await self._hand_out(call, grant, "credential_process", credentials)

    async def _peek(self, call: Call) -> Answer:
        grant = await self._opened(call)
        credentials = await self._keeper.peek(grant.session) if grant.is_allowed else None
        if credentials is None:
            return refusal(404, "NoSession", f"{call.profile} has no live credentials")
        return await self._hand_out(call, grant, "peek", credentials)

    async def _opened(self, call: Call) -> Grant:
        """What the caller may have of the profile. Raises AgentRefused and GrantNotAllowed."""
        return await self._agents.opened(Grant.of_profile(call.profile, b""), pid=call.pid)

    async def _obtained(self, call: Call, grant: Grant, min_life_seconds: float = 0) -> tuple[Grant, Credentials]:
        """Credentials of the session that the caller may have once they are there, and by which grant."""
        requester = Requester(pid=call.pid)
        with awaiting(call, call.profile):
            while True:
                if not grant.is_allowed:
                    await self._agents.allow(grant, requester)
                credentials = await self._keeper.obtain(
                    grant.session, Trigger.CLIENT, requester, min_life_seconds=min_life_seconds
                )
                # While the caller waited, the config may have changed.
                now_opened = await self._opened(call)
                if now_opened.is_allowed and now_opened.session == grant.session:
                    return now_opened, credentials
                grant = now_opened

    async def _hand_out(self, call: Call, grant: Grant, agent: str, credentials: Credentials) -> Answer:
        await self._audit.note(call.profile, agent, None, pid=call.pid, grant=grant)
        return Answer(200, process_body(credentials))

    async def _login(self, call: Call) -> Answer:
        wish = await _wish(call.request)
        with awaiting(call, call.profile):
            await self._keeper.obtain(call.profile, Trigger.PERSON, **wish._asdict())
        return self._ends(call.profile, call.profile)

    async def _obtain(self, call: Call) -> Answer:
        wish = await _wish(call.request)
        if wish.through_lock:
            raise BodyInvalid
        grant, _ = await self._obtained(call, await self._opened(call), wish.min_life_seconds)
        return self._ends(call.profile, grant.session)

    def _ends(self, profile: str, session: str) -> Answer:
        left_seconds = max(0, round(self._keeper.left_seconds(session)))
        return json_answer(200, {"profile": profile, "expires_in_seconds": left_seconds})

    async def _forget(self, call: Call) -> Answer:
        self._keeper.forget([call.profile])
        return json_answer(200, {"profile": call.profile})

    async def _verify(self, call: Call) -> Answer:
        with awaiting(call, call.profile):
            return json_answer(200, attrs.asdict(await self._keeper.identify(call.profile)))


async def _wish(request: web.BaseRequest) -> Wish:
    """The wish in the body, an empty one without a body; raises BodyInvalid for any other body."""
    body = await read_body(request)
    if not body:
        return Wish()
    try:
        found = strict_json.parse(body.decode())
    except (ValueError, RecursionError):
        raise BodyInvalid from None
    if not isinstance(found, dict) or not all(_is_of_wish(*pair) for pair in found.items()):
        raise BodyInvalid
    return Wish(**found)


def _is_of_wish(key: str, value: Any) -> bool:
    match key:
        case "through_lock":
            return isinstance(value, bool)
        case "min_life_seconds":
            return type(value) is int and 0 < value <= MAX_LIFE_SECONDS
    return False


def _pattern(path: str) -> tuple[str, str | None, str]:
    """A path with P or ID in the place of a name; the profile, None if the path has none; and the grant's ID."""
    match path.split("/"):
        case ["", "process" | "peek" | "profiles" as folder, profile, *action]:
            return "/".join(["", folder, "P", *action]), profile, ""
        case ["", "grants", grant_id, *action]:
            return "/".join(["", "grants", "ID", *action]), None, grant_id
        case _:
            return path, None, ""


def error_answer(error: MayflyError, profile: str = "") -> Answer:
    """An error, about `profile` if there is one, with all that a command needs for its message and its exit code."""
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
