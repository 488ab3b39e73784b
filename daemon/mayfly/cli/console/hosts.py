"""Where AWS's sign-in and console are, for each partition, and what `--to` may name.

Sources: the IAM user guide, "Enable custom identity broker access to the AWS console", in the editions of each
partition. For the European sovereign cloud: the hosts that granted has used since 2026-07.
"""

from __future__ import annotations

import re

from typing import NamedTuple
from urllib.parse import urlsplit

from mayfly.shared.partitions import partition_named


# The domain of sign-in and console by the partition's name.
_DOMAINS = {
    "aws": "aws.amazon.com",
    "aws-us-gov": "amazonaws-us-gov.com",
    "aws-cn": "amazonaws.cn",
    "aws-eusc": "amazonaws-eusc.eu",
}

_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class NoSuchDestination(ValueError):
    """`--to`, or the partition, names no place of AWS's console; the text says what is expected."""


class Hosts(NamedTuple):
    """The sign-in hosts and the console of one partition; `first_region` is where its logout takes a `redirect_uri`."""

    domain: str
    first_region: str

    @property
    def federation_url(self) -> str:
        """The federation endpoint, which has no region of its own."""
        return f"https://signin.{self.domain}/federation"

    @property
    def regional_signin(self) -> str:
        """The sign-in host of the partition's first region: only a host with a region follows `redirect_uri`."""
        return f"https://{self.first_region}.signin.{self.domain}"

    def destination(self, to: str, region: str | None) -> str:
        """The URL in the console that `to` (a URL, a service or nothing) names; raises NoSuchDestination."""
        if "/" in to or ":" in to:
            return self._checked_url(to)
        if to and not _SERVICE.fullmatch(to):
            raise NoSuchDestination(f"--to {to[:64]!r} is neither a URL of the console nor a service, like s3")
        where = f"https://console.{self.domain}/{to or 'console'}/home"
        return f"{where}?region={region}" if region else where

    def _checked_url(self, url: str) -> str:
        """`url`, if it is in this partition's console: AWS sends a person who has signed in there."""
        try:
            parts = urlsplit(url)
            # The whole host, and nothing beside it: a browser takes other characters for the end of the host.
            ours = rf"(?:[a-z0-9-]+\.)*console\.{re.escape(self.domain)}"
            is_ours = parts.scheme == "https" and bool(re.fullmatch(ours, parts.netloc.lower()))
        except ValueError:
            is_ours = False
        if not is_ours or not url.isascii() or not url.isprintable() or " " in url:
            raise NoSuchDestination(f"--to takes a service, like s3, or an https URL at console.{self.domain}")
        return url


def hosts_of(role_arn: str) -> Hosts:
    """The hosts of the partition that a role is in; raises NoSuchDestination where Mayfly does not know its console."""
    name = role_arn.split(":")[1]
    if name not in _DOMAINS:
        known = ", ".join(_DOMAINS)
        raise NoSuchDestination(f"the console of the partition {name} is not known: mayfly knows those of {known}")
    return Hosts(_DOMAINS[name], partition_named(name).first_region)
