"""Where STS is for a profile.

Its region's own endpoint, never the global one, unless the config or the environment names another.
"""

from __future__ import annotations

import socket

from collections.abc import Mapping, MutableMapping, Sequence
from urllib.parse import urlsplit

import attrs

from mayfly.config.model import Config, KeyProfile, Profile, RoleProfile
from mayfly.config.sts_endpoint import followed_endpoint
from mayfly.config.values import is_loopback_url
from mayfly.shared.credentials import partition_of
from mayfly.shared.errors import AwsUnreachable
from mayfly.shared.partitions import partition_named, partitions, sts_host


_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}

REACH_SECONDS = 3


@attrs.frozen(kw_only=True)
class StsLocation:
    """A region, and an endpoint if it is not the region's own.

    `others` are the regions to go to where no connection comes about, the first first.
    """

    region: str
    endpoint_url: str | None = None
    others: tuple[str, ...] = ()

    def places(self) -> tuple[StsLocation, ...]:
        """Each region by itself."""
        regions = (self.region, *self.others)
        return tuple(StsLocation(region=region, endpoint_url=self.endpoint_url) for region in regions)

    def shown(self) -> str:
        """The place, for a person."""
        return self.endpoint_url or f"sts in {' or '.join((self.region, *self.others))}"


def sts_location(config: Config, name: str, environ: Mapping[str, str], partition: str = "") -> StsLocation:
    """The STS for the profile called `name`, in an environment that `seal_environment` has seen.

    What the profile does not say, the nearest one below it does; where none names a region, it is the first one of the
    partition in their ARNs, or of `partition`, which the item told.
    """
    line = _line(config, name)
    regions = _named(line) or (partition_named(_partition(line) or partition).first_region,)
    endpoint_url = _endpoint(line, environ)
    return StsLocation(region=regions[0], endpoint_url=endpoint_url, others=() if endpoint_url else regions[1:])


def elsewhere(config: Config, name: str, environ: Mapping[str, str]) -> tuple[StsLocation, ...]:
    """Where STS may be instead, as long as only the item can tell the partition; nowhere if that is known."""
    line = _line(config, name)
    keys = line[-1]
    is_in_item = isinstance(keys, KeyProfile) and keys.mfa_id.startswith("op://")
    if not is_in_item or _endpoint(line, environ) or _named(line) or _partition(line):
        return ()
    return tuple(StsLocation(region=partition.first_region) for partition in partitions()[1:])


def _line(config: Config, name: str) -> list[Profile]:
    return [config.profiles[link] for link in reversed(config.ancestry(name))]


def _endpoint(line: list[Profile], environ: Mapping[str, str]) -> str | None:
    url = next((link.sts_endpoint_url for link in line if link.sts_endpoint_url), None)
    return url or environ.get("AWS_ENDPOINT_URL_STS")


def _partition(line: list[Profile]) -> str:
    arns = (link.role_arn if isinstance(link, RoleProfile) else link.mfa_id for link in line)
    return next(filter(None, map(partition_of, arns)), "")


def _named(line: list[Profile]) -> tuple[str, ...]:
    return next((found for link in line if (found := _regions(link))), ())


def _regions(profile: Profile) -> tuple[str, ...]:
    if profile.sts_region:
        return profile.sts_region
    return (profile.region,) if profile.region else ()


def seal_environment(environ: MutableMapping[str, str]) -> None:
    """Take away every AWS_ variable that could bring another account, file or endpoint into a call."""
    endpoint_url = followed_endpoint(environ.get("AWS_ENDPOINT_URL_STS"))
    for name in [name for name in environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
        del environ[name]
    if endpoint_url:
        environ["AWS_ENDPOINT_URL_STS"] = endpoint_url
    environ.update(
        AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true"
    )


def is_loopback(url: str | None) -> bool:
    """Whether calls stay on this machine, unencrypted."""
    return url is not None and is_loopback_url(url)


def check_reachable(where: StsLocation, environ: Mapping[str, str], instead: Sequence[StsLocation] = ()) -> None:
    """Raise AwsUnreachable where nothing answers, nor `instead`: then nobody need be asked for a fingerprint.

    Behind a proxy only the proxy could tell, so nothing is checked there.
    """
    if any(name.lower() in _PROXIES for name in environ) or any(map(_answers, where.places())):
        return
    if not _any_answers(instead):
        raise unreachable(where, "no connection")


def unreachable(where: StsLocation, why: str) -> AwsUnreachable:
    """The words for a call that never left."""
    return AwsUnreachable(f"AWS STS cannot be reached at {where.shown()} ({why}): is the network up?")


def _any_answers(places: Sequence[StsLocation]) -> bool:
    """All at once: each may take its time to say nothing."""
    if not places:
        return False
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(places)) as threads:
        return any(threads.map(_answers, places))


def _answers(place: StsLocation) -> bool:
    try:
        socket.create_connection(_host(place), REACH_SECONDS).close()
    except OSError:
        return False
    return True


def _host(place: StsLocation) -> tuple[str, int]:
    if not place.endpoint_url:
        return sts_host(place.region), 443
    parts = urlsplit(place.endpoint_url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
