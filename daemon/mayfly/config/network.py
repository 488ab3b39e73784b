"""The environment's settings for the way to AWS: the file that judges certificates, and the proxy of a call.

The exchange follows it, and `status` shows it. Variables whose value is empty count as unset.
"""

from __future__ import annotations

import os

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from mayfly.shared import files


if TYPE_CHECKING:
    import ssl


# The first that is set is in force. botocore follows the first two, OpenSSL and Go the third.
CA_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")

# All variables that lead a call to AWS, in the spellings that are in use. A service does not have those of a shell.
TO_AWS = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", *CA_VARIABLES, "AWS_ENDPOINT_URL_STS")


# Debian's list of authorities has 220 kB.
MAX_BUNDLE_BYTES = 16 * 1024 * 1024


class Setting(NamedTuple):
    """A variable of the environment, and its value."""

    variable: str
    value: str


def ca_bundle(environ: Mapping[str, str]) -> Setting | None:
    """The file whose certificates AWS's are judged by; None for the list that comes with botocore.

    /dev/null does not count: with no certificate at all no call could be made, so it can only be meant for OpenSSL.
    """
    found = ((name, environ.get(name)) for name in CA_VARIABLES)
    return next((Setting(name, value) for name, value in found if value and value != os.devnull), None)


def certificates_in(path: str) -> ssl.SSLContext:
    """A context that trusts the certificates in the file at `path`; raises OSError (SSLError is one) or Unreadable.

    OpenSSL would wait for ever at a pipe, and read a device without end.
    """
    import ssl  # its import costs: only the programs that call AWS need it

    with files.open_plain_file(path) as file:
        if os.fstat(file.fileno()).st_size > MAX_BUNDLE_BYTES:
            raise files.TooLarge(f"is larger than {MAX_BUNDLE_BYTES} bytes")
    return ssl.create_default_context(cafile=path)


def proxy_setting(kind: str, environ: Mapping[str, str]) -> Setting | None:
    """The proxy variable of `kind` (https, http, all, no): in lower case it wins, also with an empty value.

    That is the rule of urllib, which botocore follows.
    """
    wanted = f"{kind}_proxy"
    if wanted in environ:
        return Setting(wanted, environ[wanted]) if environ[wanted] else None
    found = [Setting(name, value) for name, value in environ.items() if name.lower() == wanted and value]
    return found[-1] if found else None


def proxy_of(netloc: str, environ: Mapping[str, str]) -> Setting | None:
    """The proxy that an https call to `netloc` (a host, with or without a port) goes through; None if it goes straight.

    Only HTTPS_PROXY and NO_PROXY count: botocore uses neither HTTP_PROXY nor ALL_PROXY for https.
    """
    proxy = proxy_setting("https", environ)
    return None if proxy is None or _is_exempt(netloc.lower(), environ) else proxy


def _is_exempt(netloc: str, environ: Mapping[str, str]) -> bool:
    """True if NO_PROXY names the host, with or without its port, or a domain above it."""
    exempt = proxy_setting("no", environ)
    if exempt is None:
        return False
    host = netloc.rpartition(":")[0] if netloc.rpartition(":")[2].isdigit() else netloc
    names = [name.strip().lstrip(".").lower() for name in exempt.value.split(",") if name.strip()]
    return exempt.value == "*" or any(
        place == name or place.endswith(f".{name}") for name in names for place in (host, netloc)
    )


def proxy_problem(proxy: Setting) -> str | None:
    """Why no call can be made through this proxy, in words that follow the variable's name; None if it may work."""
    scheme, mark, _ = proxy.value.partition("://")
    if mark and scheme.lower().startswith("socks"):
        return "names a SOCKS proxy, and AWS is called through an HTTP proxy only"
    try:
        parts = urlsplit(proxy.value if "//" in proxy.value else f"//{proxy.value}")
        is_sound = bool(parts.hostname) and parts.scheme in {"", "http", "https"} and parts.port != 0
    except ValueError:
        is_sound = False
    return None if is_sound else "names no proxy that can be used: expected http://HOST:PORT"


def shown_host(url: str) -> str:
    """Host and port of a URL, and nothing else that may stand in it, like a password."""
    try:
        return urlsplit(url if "//" in url else f"//{url}").netloc.rpartition("@")[2] or "?"
    except ValueError:
        return "?"
