"""Calls AWS's federation endpoint: temporary credentials of a role in, a sign-in token out.

Law: the URL made here signs its holder in for 15 minutes. It is a credential: nobody but the browser gets it.
"""

from __future__ import annotations

import json
import re
import ssl

from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from mayfly.cli.console.hosts import Hosts
from mayfly.config.network import Setting, ca_bundle, certificates_in, proxy_of, proxy_problem
from mayfly.config.values import is_loopback_url
from mayfly.exchange.sts.environment import certificate_hint
from mayfly.shared.files import Unreadable
from mayfly.shared.partitions import botocore_folder
from mayfly.shared.text import failure_words


ANSWER_SECONDS = 20
MAX_ANSWER_BYTES = 64 * 1024

# What AWS takes as the life of a console session.
MIN_SESSION_SECONDS = 900
MAX_SESSION_SECONDS = 43_200

# For a stand-in on this machine, as AWS_ENDPOINT_URL_STS: botocore's own name for the service.
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_SIGNIN"


class FederationFailed(Exception):
    """AWS gives no sign-in token, or cannot be reached; the text says why, `hint` what mends it, if that is known."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


class Credentials(NamedTuple):
    """Temporary credentials, by the names that `credential_process` has for them."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    def __repr__(self) -> str:
        return "Credentials(…)"

    def session(self) -> str:
        """The value of the parameter `Session`."""
        names = ("sessionId", "sessionKey", "sessionToken")
        return json.dumps(dict(zip(names, self, strict=True)))


def check_settings(hosts: Hosts, environ: Mapping[str, str]) -> None:
    """Raise FederationFailed if the proxy or the certificates that `environ` names make the call impossible.

    This is known before anybody is asked for credentials.
    """
    _opener(urlsplit(_endpoint(hosts, environ)).netloc, environ)


def sign_in_token(
    hosts: Hosts, credentials: Credentials, session_seconds: int | None, environ: Mapping[str, str]
) -> str:
    """A token that is good for one sign-in within 15 minutes; raises FederationFailed.

    `session_seconds` is the life of the console session. None leaves the parameter out: the session then ends with
    the credentials. AWS takes it only for a role that was assumed with a long-term access key.
    """
    asked = {"Action": "getSigninToken", "Session": credentials.session()}
    if session_seconds is not None:
        seconds = min(max(session_seconds, MIN_SESSION_SECONDS), MAX_SESSION_SECONDS)
        asked["SessionDuration"] = str(seconds)
    endpoint = _endpoint(hosts, environ)
    body = _get(f"{endpoint}?{urlencode(asked)}", urlsplit(endpoint).netloc, environ)
    try:
        token = json.loads(body)["SigninToken"]
    except (ValueError, LookupError, TypeError, RecursionError):
        token = None
    if not isinstance(token, str) or not token:
        raise FederationFailed("AWS's federation endpoint answered without a sign-in token")
    return token


def login_url(hosts: Hosts, token: str, destination: str, *, logout_first: bool) -> str:
    """The URL that signs a browser in, and out of its present session before that if `logout_first`."""
    asked = {"Action": "login", "Issuer": "mayfly", "Destination": destination, "SigninToken": token}
    if not logout_first:
        return f"{hosts.federation_url}?{urlencode(asked)}"
    back = f"{hosts.regional_signin}/federation?{urlencode(asked)}"
    return f"{hosts.regional_signin}/oauth?{urlencode({'Action': 'logout', 'redirect_uri': back})}"


def _endpoint(hosts: Hosts, environ: Mapping[str, str]) -> str:
    """The federation endpoint, or the stand-in on this machine that the environment names."""
    named = environ.get(ENDPOINT_VARIABLE, "")
    return f"{named.rstrip('/')}/federation" if named and is_loopback_url(named) else hosts.federation_url


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: the request carries credentials."""

    def redirect_request(self, *_: object) -> None:
        return None


def _get(url: str, netloc: str, environ: Mapping[str, str]) -> bytes:
    opener = _opener(netloc, environ)
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - https, or loopback
    try:
        with opener.open(request, timeout=ANSWER_SECONDS) as answer:
            body: bytes = answer.read(MAX_ANSWER_BYTES + 1)
    except HTTPError as reason:
        reason.close()
        raise FederationFailed(_refusal(reason.code)) from None
    except (OSError, HTTPException) as reason:
        is_distrusted = isinstance(getattr(reason, "reason", reason), ssl.SSLCertVerificationError)
        words = "its certificate is not accepted" if is_distrusted else _words(reason)
        hint = certificate_hint(environ, "in this shell") if is_distrusted else _network_hint(netloc, environ)
        raise FederationFailed(f"AWS's federation endpoint cannot be reached at {netloc}: {words}", hint) from None
    if len(body) > MAX_ANSWER_BYTES:
        raise FederationFailed("AWS's federation endpoint answered more than it ever does")
    return body


def _proxy(netloc: str, environ: Mapping[str, str]) -> Setting | None:
    return None if is_loopback_url(f"http://{netloc}") else proxy_of(netloc, environ)


def _network_hint(netloc: str, environ: Mapping[str, str]) -> str:
    proxy = _proxy(netloc, environ)
    return "is the network up?" + (f" The proxy is in {proxy.variable} of this shell" if proxy else "")


def _refusal(status: int) -> str:
    if status == HTTPStatus.BAD_REQUEST:
        return "AWS takes this session for no sign-in to the console (HTTP 400)"
    return f"AWS's federation endpoint refused the session (HTTP {status})"


def _words(reason: Exception) -> str:
    """The reason in words that cannot hold the URL: errors of http.client may repeat what was sent."""
    told = getattr(reason, "reason", None)
    inner = told if isinstance(told, Exception) else reason
    if isinstance(inner, ssl.SSLError):
        return "no TLS connection comes about with what answers there"
    if isinstance(inner, ConnectionError) or not isinstance(inner, HTTPException):
        # http.client tells a proxy's refusal of CONNECT as an OSError without a number.
        status = re.match(r"Tunnel connection failed: (\d{3})\b", str(inner))
        return f"the proxy refuses it (HTTP {status[1]})" if status else failure_words(inner)
    return "what answers there speaks no HTTP"


def _opener(netloc: str, environ: Mapping[str, str]) -> OpenerDirector:
    """Opens https by the proxy and the certificates that the environment names, as calls to STS do."""
    proxy = _proxy(netloc, environ)
    if proxy and (problem := proxy_problem(proxy) or _problem_here(proxy)):
        hint = f"set {proxy.variable} to an http:// proxy, or name {netloc} in NO_PROXY, in this shell"
        raise FederationFailed(f"{proxy.variable} {problem}", hint)
    proxies = {"https": proxy.value if "//" in proxy.value else f"http://{proxy.value}"} if proxy else {}
    return build_opener(ProxyHandler(proxies), HTTPSHandler(context=_context(environ)), _NoRedirect)


def _problem_here(proxy: Setting) -> str | None:
    """urllib speaks no TLS with a proxy, as aiohttp does for STS."""
    is_tls = proxy.value.lower().startswith("https://")
    return "names an https:// proxy, and the console is asked for through an http:// proxy only" if is_tls else None


def _context(environ: Mapping[str, str]) -> ssl.SSLContext:
    bundle = ca_bundle(environ)
    file = bundle.value if bundle else f"{botocore_folder()}/cacert.pem"
    try:
        return certificates_in(file)
    except (OSError, Unreadable) as reason:
        where = f"{bundle.variable}: {file}" if bundle else file
        hint = f"set {bundle.variable} to a file of PEM certificates, or unset it, in this shell" if bundle else ""
        why = str(reason) if isinstance(reason, Unreadable) else reason.strerror or "no certificates"
        raise FederationFailed(f"{where} cannot be read: {why}", hint) from None
