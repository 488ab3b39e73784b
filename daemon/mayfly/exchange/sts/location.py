"""Where STS is for a profile.

It is the region's own endpoint, never the global one, unless the config or the environment names another.
"""

from __future__ import annotations

import socket

from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import attrs

from mayfly.config.model import Config, KeyProfile, Profile, RoleProfile
from mayfly.config.values import is_loopback_url
from mayfly.shared.credentials import partition_of
from mayfly.shared.partitions import partition_named, partitions, sts_host


@attrs.frozen(kw_only=True)
class StsLocation:
    """A region, and an endpoint URL where it is not the region's own.

    `fallback_regions` are tried in this order if no connection to `region` can be made.
    """

    region: str
    endpoint_url: str | None = None
    fallback_regions: tuple[str, ...] = ()

    def each_region(self) -> tuple[StsLocation, ...]:
        """One location for each region, in the order in which they are tried."""
        regions = (self.region, *self.fallback_regions)
        return tuple(StsLocation(region=region, endpoint_url=self.endpoint_url) for region in regions)

    def netloc(self) -> str:
        """The first region's host, with a port if its URL has one."""
        return urlsplit(self.endpoint_url).netloc if self.endpoint_url else sts_host(self.region)

    def description(self) -> str:
        """The location in the words of a message."""
        return self.endpoint_url or f"sts in {' or '.join((self.region, *self.fallback_regions))}"

    def is_plain_loopback(self) -> bool:
        """True if calls stay on this machine, without TLS."""
        return self.endpoint_url is not None and is_loopback_url(self.endpoint_url)

    def is_loopback(self) -> bool:
        """True if calls stay on this machine, however its address is written; such calls never use a proxy."""
        return self.endpoint_url is not None and _is_loopback_host(urlsplit(self.endpoint_url).hostname or "")


def sts_location(config: Config, name: str, environ: Mapping[str, str], partition: str = "") -> StsLocation:
    """The STS for the profile called `name`, in an environment cleaned by `seal_environment`.

    A profile without a region or an endpoint takes that of its source profile. If no profile of the chain names a
    region, it is the first region of the partition in their ARNs, or else of `partition`, which comes from the item.
    """
    chain = _chain_downwards(config, name)
    regions = _configured_regions(chain) or (partition_named(_partition_of_chain(chain) or partition).first_region,)
    endpoint_url = _endpoint_url(chain, environ)
    return StsLocation(
        region=regions[0], endpoint_url=endpoint_url, fallback_regions=() if endpoint_url else regions[1:]
    )


def locations_in_other_partitions(config: Config, name: str, environ: Mapping[str, str]) -> tuple[StsLocation, ...]:
    """Where STS may be if the item turns out to belong to another partition.

    Empty if the config or the environment already determines the location.
    """
    chain = _chain_downwards(config, name)
    keys = chain[-1]
    is_in_item = isinstance(keys, KeyProfile) and keys.mfa_id.startswith("op://")
    if not is_in_item or _endpoint_url(chain, environ) or _configured_regions(chain) or _partition_of_chain(chain):
        return ()
    return tuple(StsLocation(region=partition.first_region) for partition in partitions()[1:])


def _chain_downwards(config: Config, name: str) -> list[Profile]:
    """The profile, then its source profile, down to the profile with keys."""
    return [config.profiles[link] for link in reversed(config.ancestry(name))]


def _endpoint_url(chain: list[Profile], environ: Mapping[str, str]) -> str | None:
    url = next((link.sts_endpoint_url for link in chain if link.sts_endpoint_url), None)
    return url or environ.get("AWS_ENDPOINT_URL_STS")


def _partition_of_chain(chain: list[Profile]) -> str:
    arns = (link.role_arn if isinstance(link, RoleProfile) else link.mfa_id for link in chain)
    return next(filter(None, map(partition_of, arns)), "")


def _configured_regions(chain: list[Profile]) -> tuple[str, ...]:
    return next((found for link in chain if (found := _regions(link))), ())


def _regions(profile: Profile) -> tuple[str, ...]:
    if profile.sts_region:
        return profile.sts_region
    return (profile.region,) if profile.region else ()


def _is_loopback_host(host: str) -> bool:
    """True for `localhost`, names below it (RFC 6761), and every spelling of an address that leads to this machine."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` is, if it is no name; as the C library reads it, for which 127.1 is one."""
    with suppress(ValueError):
        found = ip_address(host)
        return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found
    with suppress(OSError):
        return IPv4Address(socket.inet_aton(host))
    return None
