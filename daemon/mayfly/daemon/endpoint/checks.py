"""What is refused, and in which order, before anything is looked up or started.

The list is the law, and the first that does not fit answers: who is at the other end, and how many there are (both at
accept); what the parser refuses, and a version that is not HTTP/1.0 or 1.1 (400); method (405); target, byte for byte
(404); Host, browser marks, forwarding marks (403); a body (400); two tokens (403); exactly one token that opens this
profile (401). A check looks at the request alone, and says a refusal or nothing. None quotes what was sent.

What HTTP itself takes for the same passes: white space around a value, one more space or empty line before the target
or the request, `Content-Length: 0`, `Expect` and `Upgrade` (which a server may overlook; after
an offer to upgrade the connection is closed).
"""

from __future__ import annotations

import re

from collections.abc import Callable, Container
from typing import NamedTuple

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from multidict import CIMultiDictProxy

from mayfly.daemon.http.answer import Answer, refusal


Headers = CIMultiDictProxy[str]

# A profile's name as the config allows it; without one it is the health check.
_PATHS = re.compile(r"/credentials/([A-Za-z0-9][A-Za-z0-9._-]{0,63})|/healthz")
_VERSIONS = (HttpVersion11, HttpVersion10)
# Names of headers, a line each. Of browsers, what a page cannot set or take away: Fetch metadata, client hints, those
# of a WebSocket.
_BROWSER = re.compile(r"^(?:origin|referer|sec-.*)$", re.IGNORECASE | re.MULTILINE)
_FORWARDING = re.compile(r"^(?:forwarded|x-forwarded-.*|x-real-ip|via)$", re.IGNORECASE | re.MULTILINE)
# Node's own fetch sends a lone Sec-Fetch-Mode: cors; a browser never sends it without Sec-Fetch-Site.
_NODES_MARK, _NODES_MODE = "Sec-Fetch-Mode", ["cors"]


class Refusal(NamedTuple):
    """`answer` is what the client gets, `cause` what is counted."""

    cause: str
    answer: Answer


class Refused(Exception):
    """A check said no. Made anew for each request: an exception that is raised again keeps all its tracebacks."""

    def __init__(self, refusal: Refusal, profile: str = "") -> None:
        super().__init__(refusal.cause)
        self.refusal = refusal
        # What the client asked for, where its token alone was wrong; perhaps no profile at all.
        self.profile = profile


_VERSION = Refusal("malformed", refusal(400, "BadRequest", "only HTTP/1.0 and HTTP/1.1 are spoken here"))
_METHOD = Refusal("method", refusal(405, "MethodNotAllowed", "only GET is answered here", headers="Allow: GET\r\n"))
_TARGET = Refusal("target", refusal(404, "NotFound", "there is nothing here"))
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
# Says nothing of the profile, so that it tells nobody which there are.
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
    """The ordered list, for one listening port and one table of targets."""

    def __init__(self, hosts: Container[str], opens: Callable[[str, str], bool]) -> None:
        self._hosts = hosts
        self._opens = opens

    def run(self, request: web.BaseRequest) -> str | None:
        """The profile that may be handed out, None for the health check; raises Refused."""
        # The raw message: aiohttp's url would have normalised what came over the wire.
        message = request._message  # noqa: SLF001 - BaseRequest has no other way to the bytes of the target
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
        if profile is not None:
            self._check_token(headers.get(hdrs.AUTHORIZATION), profile)
        return profile

    def _check_token(self, token: str | None, profile: str) -> None:
        if not token:
            raise Refused(_NO_TOKEN, profile)
        if not self._opens(token, profile):
            raise Refused(_UNAUTHORIZED, profile)

    def _check_marks(self, headers: Headers) -> None:
        hosts = headers.getall(hdrs.HOST, ())
        if len(hosts) != 1:
            raise Refused(_HOSTS)
        if hosts[0] not in self._hosts:
            raise Refused(_HOST)
        names = "\n".join(headers)
        marks = _BROWSER.findall(names)
        if marks and not (len(marks) == 1 and headers.getall(_NODES_MARK, None) == _NODES_MODE):
            raise Refused(_BROWSED)
        if _FORWARDING.search(names):
            raise Refused(_FORWARDED)
