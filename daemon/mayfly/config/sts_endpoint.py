"""Which endpoint of STS (or, for `mayfly init`, of IAM) an environment variable may name."""

from __future__ import annotations

import re

from urllib.parse import urlsplit

from mayfly.config.values import has_host, is_loopback_url
from mayfly.shared.partitions import partitions


def followed_endpoint(url: str | None, service: str = "sts") -> str | None:
    """`url` if it is on this machine, or https at that service of AWS's own; else None."""
    if not url:
        return None
    try:
        if not has_host(url):
            return None
        parts = urlsplit(url)
        is_https = parts.scheme == "https"
        is_here = is_loopback_url(f"http://{parts.netloc}") if is_https else is_loopback_url(url)
        return url if is_here or (is_https and _is_aws(parts.netloc, service)) else None
    except ValueError:
        return None


def _is_aws(netloc: str, service: str) -> bool:
    """True for a host of the service in any partition. AWS names its API hosts by service and region."""
    domains = "|".join(re.escape(domain) for partition in partitions() for domain in partition.domains)
    host = rf"(vpce-[a-z0-9-]+\.)?{service}(-fips)?(\.[a-z0-9-]+)?(\.vpce)?\.({domains})(:443)?"
    return re.fullmatch(host, netloc) is not None
