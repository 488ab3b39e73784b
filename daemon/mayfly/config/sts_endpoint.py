"""Which STS endpoint an environment variable may name."""

from __future__ import annotations

import re

from urllib.parse import urlsplit

from mayfly.config.values import has_host, is_loopback_url
from mayfly.shared.partitions import partitions


def followed_endpoint(url: str | None) -> str | None:
    """`url` if it is on this machine, or https at an STS of AWS's own; else None."""
    if not url:
        return None
    try:
        if not has_host(url):
            return None
        parts = urlsplit(url)
        is_https = parts.scheme == "https"
        is_here = is_loopback_url(f"http://{parts.netloc}") if is_https else is_loopback_url(url)
        return url if is_here or (is_https and _is_sts(parts.netloc)) else None
    except ValueError:
        return None


def _is_sts(netloc: str) -> bool:
    """True for an STS host of any partition. AWS names its API hosts by service and region."""
    domains = "|".join(re.escape(domain) for partition in partitions() for domain in partition.domains)
    host = rf"(vpce-[a-z0-9-]+\.)?sts(-fips)?(\.[a-z0-9-]+)?(\.vpce)?\.({domains})(:443)?"
    return re.fullmatch(host, netloc) is not None
