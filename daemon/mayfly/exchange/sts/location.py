"""Where STS is for a profile.

It is the region's own endpoint, never the global one, unless the config or the environment names another.
"""

from __future__ import annotations

import socket

from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from mayfly.config.sketch import Link
from mayfly.config.values import is_loopback_url
from mayfly.shared.partitions import partition_named, partition_of, partitions, sts_host


if TYPE_CHECKING:
    from mayfly.config.model import Config, Profile


class StsLocation(NamedTuple):
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
    """The STS for the profile called `name`; see `location_of`."""
    return location_of(links(config, name), environ, partition)


def locations_in_other_partitions(config: Config, name: str, environ: Mapping[str, str]) -> tuple[StsLocation, ...]:
    """Where STS may be for the profile called `name`; see `alternatives_to`."""
    return alternatives_to(links(config, name), environ)


def links(config: Config, name: str) -> list[Link]:
    """The profile, then its source profile, down to the profile with keys."""
    return [_link(config.profiles[link]) for link in reversed(config.ancestry(name))]


def _link(profile: Profile) -> Link:
    from mayfly.config.model import RoleProfile  # attrs, which comes with a config anyway

    regions = profile.sts_region or ((profile.region,) if profile.region else ())
    arn = profile.role_arn if isinstance(profile, RoleProfile) else profile.mfa_id
    return Link(regions, profile.sts_endpoint_url, arn or "")


def location_of(chain: Sequence[Link], environ: Mapping[str, str], partition: str = "") -> StsLocation:
    """The STS for the first of `chain`, in an environment cleaned by `seal_environment`.

    A profile without a region or an endpoint takes that of its source profile. If no profile of the chain names a
    region, it is the first region of the partition in their ARNs, or else of `partition`, which comes from the item.
    """
    regions = _configured_regions(chain) or (partition_named(_partition_of_chain(chain) or partition).first_region,)
    endpoint_url = _endpoint_url(chain, environ)
    return StsLocation(
        region=regions[0], endpoint_url=endpoint_url, fallback_regions=() if endpoint_url else regions[1:]
    )


def alternatives_to(chain: Sequence[Link], environ: Mapping[str, str]) -> tuple[StsLocation, ...]:
    """Where STS may be if the item turns out to belong to another partition.

    Empty if the config or the environment already determines the location.
    """
    is_in_item = chain[-1].arn.startswith("op://")
    if not is_in_item or _endpoint_url(chain, environ) or _configured_regions(chain) or _partition_of_chain(chain):
        return ()
    return tuple(StsLocation(region=partition.first_region) for partition in partitions()[1:])


def _endpoint_url(chain: Sequence[Link], environ: Mapping[str, str]) -> str | None:
    url = next((link.endpoint_url for link in chain if link.endpoint_url), None) or environ.get("AWS_ENDPOINT_URL_STS")
    if not url:
        return None
    # botocore signs the host as it is written, and aiohttp sends it in lower case: AWS would refuse the signature.
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.lower()).geturl()


def _partition_of_chain(chain: Sequence[Link]) -> str:
    return next(filter(None, (partition_of(link.arn) for link in chain)), "")


def _configured_regions(chain: Sequence[Link]) -> tuple[str, ...]:
    return next((link.regions for link in chain if link.regions), ())


def _is_loopback_host(host: str) -> bool:
    """True for `localhost`, names below it (RFC 6761), and every spelling of an address that leads to this machine."""
    name = host.lower().removesuffix(".")
    if name in {"127.0.0.1", "localhost"} or name.endswith(".localhost"):
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
