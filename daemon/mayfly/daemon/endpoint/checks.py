"""The refusals, in their order, before anything is looked up or started.

The order is the law, and the first check that fails answers: the client's user and the number of connections (both at
accept); a request that the parser refuses, and a version other than HTTP/1.0 or 1.1 (400); method (405); target, byte
for byte (404); Host, browser marks, forwarding marks (403); a body (400); two tokens (403); exactly one token that
opens this profile (401). A check sees the request only. No refusal echoes request data.

Variants that HTTP itself treats alike pass: white space around a value, one more space or empty line before the target
or the request, `Content-Length: 0`, `Expect` and `Upgrade` (which a server may ignore; after an offer to upgrade the
connection is closed).
"""

from __future__ import annotations

import re

from collections.abc import Callable
from typing import NamedTuple

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from multidict import CIMultiDictProxy

from mayfly.config.profile_name import PROFILE_NAME
from mayfly.daemon.grants import Grant
from mayfly.daemon.http.answer import Answer, refusal
from mayfly.shared.errors import MayflyError


Headers = CIMultiDictProxy[str]

# Group 1 is a profile's name. The health check has none.
_PATHS = re.compile(f"/credentials/({PROFILE_NAME})|/healthz")
_VERSIONS = (HttpVersion11, HttpVersion10)
# Any port, because relays and forwards listen elsewhere. A name that leads here, by DNS rebinding, is none of these.
_OUR_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
# Both match names of headers, one a line. A page can neither set nor remove a browser's Origin, Referer, Fetch
# metadata, client hints and WebSocket headers.
_BROWSER = re.compile(r"^(?:origin|referer|sec-.*)$", re.IGNORECASE | re.MULTILINE)
_FORWARDING = re.compile(r"^(?:forwarded|x-forwarded-.*|x-real-ip|via)$", re.IGNORECASE | re.MULTILINE)
# Node's own fetch sends Sec-Fetch-Mode: cors and no other mark. A browser always sends Sec-Fetch-Site with it.
_NODES_MARK, _NODES_MODE = "Sec-Fetch-Mode", ["cors"]


class Refusal(NamedTuple):
    """An answer to the client, and the cause under which the refusal is counted."""

    cause: str
    answer: Answer


class Refused(Exception):
    """A check failed. Each request gets its own: an exception that is raised twice keeps the tracebacks of both."""

    def __init__(self, refusal: Refusal, profile: str = "") -> None:
        super().__init__(refusal.cause)
        self.refusal = refusal
        # The name that the client asked for, if only its token was wrong. There may be no profile of this name.
        self.profile = profile


_VERSION = Refusal("malformed", refusal(400, "BadRequest", "only HTTP/1.0 and HTTP/1.1 are spoken here"))
_METHOD = Refusal("method", refusal(405, "MethodNotAllowed", "only GET is answered here", headers="Allow: GET\r\n"))
_TARGET = Refusal(
    "target", refusal(404, "NotFound", "mayfly answers /credentials/PROFILE and /healthz, and no other path")
)
_HOSTS = Refusal("malformed", refusal(400, "BadRequest", "a request here has one Host"))
_HOST = Refusal("host", refusal(403, "ForeignHost", "this Host is not mayfly's"))
_BROWSED = Refusal("browser", refusal(403, "BrowserRequest", "web pages are not answered"))
_FORWARDED = Refusal("forwarded", refusal(403, "ForwardedRequest", "forwarded requests are not answered"))
_BODY = Refusal("body", refusal(400, "BadRequest", "a request here has no body"))
_DOUBLED = Refusal("authorization", refusal(403, "DoubledAuthorization", "send the token once"))
_UNAUTHORIZED = Refusal(
    "token",
    refusal(401, "Unauthorized", 'token missing or wrong, or no such profile: eval "$(mayfly env PROFILE)" anew'),
)
# Does not say whether the profile exists: a client without a token must not learn the profiles' names.
_NO_TOKEN = Refusal(
    "token",
    refusal(
        401,
        "Unauthorized",
        "no token was sent (older SDKs read no AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE):"
        ' eval "$(mayfly env PROFILE)" anew, without --token-file',
    ),
)


class Checks:
    """The checks for one endpoint.

    `find` returns what a token opens of a profile, None if nothing; `ended` why the grant of that token has ended, None
    if it was none.
    """

    def __init__(
        self, find: Callable[[str, str], Grant | None], ended: Callable[[str, str], MayflyError | None]
    ) -> None:
        self._find = find
        self._ended = ended

    def run(self, request: web.BaseRequest) -> Grant | None:
        """What may be handed out; None for the health check. Raises Refused."""
        # The raw message, because aiohttp's `request.url` normalises the target.
        message = request._message  # noqa: SLF001 - BaseRequest has no public name for it
        headers = message.headers
        if message.version not in _VERSIONS:
            raise Refused(_VERSION)
        if message.method != "GET":
            raise Refused(_METHOD)
        path = _PATHS.fullmatch(message.path)
        if path is None:
            raise Refused(_TARGET)
        self._check_marks(headers)
        if request.body_exists or hdrs.TRANSFER_ENCODING in headers or headers.get(hdrs.CONTENT_LENGTH, "0") != "0":
            raise Refused(_BODY)
        if len(headers.getall(hdrs.AUTHORIZATION, ())) > 1:
            raise Refused(_DOUBLED)
        profile = path[1]
        return None if profile is None else self._opened(headers.get(hdrs.AUTHORIZATION), profile)

    def _opened(self, token: str | None, profile: str) -> Grant:
        if not token:
            raise Refused(_NO_TOKEN, profile)
        if found := self._find(token, profile):
            return found
        if ended := self._ended(token, profile):
            # Strangers learn nothing by it, because only a grant's token gets this answer. The person knows already.
            raise Refused(Refusal("token", refusal(ended.http_status, ended.code, ended.sentence())))
        raise Refused(_UNAUTHORIZED, profile)

    def _check_marks(self, headers: Headers) -> None:
        hosts = headers.getall(hdrs.HOST, ())
        if len(hosts) != 1:
            raise Refused(_HOSTS)
        if not _OUR_HOST.fullmatch(hosts[0]):
            raise Refused(_HOST)
        names = "\n".join(headers)
        marks = _BROWSER.findall(names)
        if marks and not (len(marks) == 1 and headers.getall(_NODES_MARK, None) == _NODES_MODE):
            raise Refused(_BROWSED)
        if _FORWARDING.search(names):
            raise Refused(_FORWARDED)
