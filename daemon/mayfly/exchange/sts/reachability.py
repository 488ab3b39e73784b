"""Whether STS can be reached, tried before a person is asked for a fingerprint."""

from __future__ import annotations

import socket

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from mayfly.config.network import proxy_of
from mayfly.exchange.sts.location import StsLocation
from mayfly.shared import errors
from mayfly.shared.partitions import sts_host


CONNECT_SECONDS = 3

# Where STS is, and where it may be instead.
Place = tuple[StsLocation, tuple[StsLocation, ...]]


def check_reachable(
    location: StsLocation, environ: Mapping[str, str], alternatives: Sequence[StsLocation] = ()
) -> None:
    """Raise AwsUnreachable if neither `location` nor any of `alternatives` accepts a connection.

    Where calls go through a proxy nothing is tried: whether the proxy reaches a host, only the proxy knows.
    """
    regions = [*location.each_region(), *alternatives]
    if any(proxy_of(region.netloc(), environ) for region in regions) and not location.is_loopback():
        return
    if not (any(map(_accepts_connections, location.each_region())) or _any_accepts_connections(alternatives)):
        raise unreachable(location, "no connection")


def unreachability(place: Place, environ: Mapping[str, str]) -> errors.MayflyError | None:
    """The error that `check_reachable` raises for `place`, or None."""
    location, alternatives = place
    try:
        check_reachable(location, environ, alternatives)
    except errors.MayflyError as error:
        return error
    return None


def unreachable(location: StsLocation, why: str, hint: str = "is the network up?") -> errors.AwsUnreachable:
    """The error for a call that never left this machine."""
    return errors.AwsUnreachable(f"AWS STS cannot be reached at {location.description()} ({why})", hint=hint)


def _any_accepts_connections(locations: Sequence[StsLocation]) -> bool:
    """Tries all at once, because each may take until its time limit."""
    if not locations:
        return False
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(locations)) as threads:
        return any(threads.map(_accepts_connections, locations))


def _accepts_connections(location: StsLocation) -> bool:
    try:
        socket.create_connection(_host_and_port(location), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _host_and_port(location: StsLocation) -> tuple[str, int]:
    if not location.endpoint_url:
        return sts_host(location.region), 443
    parts = urlsplit(location.endpoint_url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
