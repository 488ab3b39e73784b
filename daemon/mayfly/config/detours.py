"""Settings that send calls to AWS another way than usual: other endpoints, proxies, certificates.

`status` shows them, because its reader may not know of a setting that somebody else made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mayfly.config.model import Config
from mayfly.config.network import ca_bundle, proxy_problem, proxy_setting, shown_host
from mayfly.config.sts_endpoint import followed_endpoint


def detours(config: Config, environ: Mapping[str, str]) -> list[str]:
    """A line for each, from the config and from the exchanges' environment. A proxy's password is left out."""
    return [*_in_config(config), *_in_environment(environ)]


def _in_config(config: Config) -> Iterator[str]:
    for name, profile in config.profiles.items():
        if profile.sts_endpoint_url:
            yield f"{name}: STS is asked at {shown_host(profile.sts_endpoint_url)} (sts_endpoint_url)"


def _in_environment(environ: Mapping[str, str]) -> Iterator[str]:
    url = environ.get("AWS_ENDPOINT_URL_STS")
    if url and followed_endpoint(url):
        yield f"STS is asked at {shown_host(url)} (AWS_ENDPOINT_URL_STS)"
    elif url:
        yield "AWS_ENDPOINT_URL_STS is not followed: it names neither this machine nor AWS"
    yield from _proxies(environ)
    bundle = ca_bundle(environ)
    if bundle:
        yield f"AWS's certificates are judged by {bundle.value} ({bundle.variable})"


def _proxies(environ: Mapping[str, str]) -> Iterator[str]:
    """The proxy that is used, and those that look as if they were."""
    used, exempt = proxy_setting("https", environ), proxy_setting("no", environ)
    if used:
        problem = proxy_problem(used)
        but_for = f", but for the hosts in {exempt.variable}" if exempt else ""
        yield (
            f"{used.variable} {problem}"
            if problem
            else f"AWS is reached through the proxy {shown_host(used.value)} ({used.variable}{but_for})"
        )
    unused = [found for kind in ("http", "all") if (found := proxy_setting(kind, environ))]
    for found in unused:
        if not used or found.variable.lower() == "all_proxy":
            yield f"the proxy {shown_host(found.value)} ({found.variable}) is not used for AWS: only HTTPS_PROXY is"
