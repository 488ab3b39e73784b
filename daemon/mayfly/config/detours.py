"""Settings that send calls to AWS another way than usual: other endpoints, proxies, certificates.

`status` shows them, because its reader may not know of a setting that somebody else made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from mayfly.config.model import Config
from mayfly.config.sts_endpoint import followed_endpoint


_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


def detours(config: Config, environ: Mapping[str, str]) -> list[str]:
    """A line for each, from the config and from the exchanges' environment. A proxy's password is left out."""
    return [*_in_config(config), *_in_environment(environ)]


def _in_config(config: Config) -> Iterator[str]:
    for name, profile in config.profiles.items():
        if profile.sts_endpoint_url:
            yield f"{name}: STS is asked at {_shown(profile.sts_endpoint_url)} (sts_endpoint_url)"


def _in_environment(environ: Mapping[str, str]) -> Iterator[str]:
    url = environ.get("AWS_ENDPOINT_URL_STS")
    if url and followed_endpoint(url):
        yield f"STS is asked at {_shown(url)} (AWS_ENDPOINT_URL_STS)"
    elif url:
        yield "AWS_ENDPOINT_URL_STS is not followed: it names neither this machine nor AWS"
    for name in (spelling for proxy in _PROXIES for spelling in (proxy, proxy.lower())):
        if environ.get(name):
            yield f"AWS is reached through the proxy {_shown(environ[name])} ({name})"
    if environ.get("AWS_CA_BUNDLE"):
        yield f"AWS's certificates are judged by {environ['AWS_CA_BUNDLE']} (AWS_CA_BUNDLE)"


def _shown(url: str) -> str:
    """Host and port alone: the rest of a URL may hold a password."""
    try:
        return urlsplit(url if "//" in url else f"//{url}").netloc.rpartition("@")[2] or "?"
    except ValueError:
        return "?"
