"""Where STS is for a profile.

Its region's own endpoint, never the global one, unless the config or the environment names another.
"""

from __future__ import annotations

import re
import socket

from collections.abc import Mapping, MutableMapping
from urllib.parse import urlsplit

import attrs

from mayfly.config import Config, RoleProfile
from mayfly.config.model import DEFAULT_REGION
from mayfly.config.values import is_loopback_url
from mayfly.credentials import partition_of
from mayfly.errors import AwsUnreachable


# Hosts of AWS's own, in all partitions; what else stands in AWS_ENDPOINT_URL_STS is not followed.
_AWS_DOMAINS = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".amazonaws.eu",
    ".api.amazonwebservices.eu",
)

_PARTITION_REGIONS = {
    "aws-cn": "cn-north-1",
    "aws-us-gov": "us-gov-west-1",
    "aws-eusc": "eusc-de-east-1",
}

_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}

REACH_SECONDS = 3


@attrs.frozen(kw_only=True)
class Where:
    """A region, and an endpoint if it is not the region's own."""

    region: str
    endpoint_url: str | None = None

    def shown(self) -> str:
        """The place, for a person."""
        return self.endpoint_url or f"sts in {self.region}"


def where_is_sts(config: Config, name: str, environ: Mapping[str, str]) -> Where:
    """The STS for the profile called `name`, in an environment that `seal_environment` has seen."""
    chain = [config.profiles[link] for link in reversed(config.chain(name))]
    region = next((link.sts_region or link.region for link in chain if link.sts_region or link.region), None)
    url = next((link.sts_endpoint_url for link in chain if link.sts_endpoint_url), None)
    arn = next((link.role_arn if isinstance(link, RoleProfile) else link.mfa_id for link in chain), "")
    return Where(
        region=region or _PARTITION_REGIONS.get(partition_of(arn), DEFAULT_REGION),
        endpoint_url=url or environ.get("AWS_ENDPOINT_URL_STS"),
    )


def followed(url: str | None) -> str | None:
    """`url` if an environment may name it: http on loopback, or https at AWS."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        is_aws = parts.scheme == "https" and (parts.hostname or "").endswith(_AWS_DOMAINS)
        return url if is_aws or is_loopback_url(url) else None
    except ValueError:
        return None


def seal_environment(environ: MutableMapping[str, str]) -> None:
    """Take away every AWS_ variable that could bring another account, file or endpoint into a call."""
    endpoint_url = followed(environ.get("AWS_ENDPOINT_URL_STS"))
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


def check_reachable(where: Where, environ: Mapping[str, str]) -> None:
    """Raise AwsUnreachable where nothing answers: then nobody need be asked for a fingerprint.

    Behind a proxy only the proxy could tell, so nothing is checked there.
    """
    host, port = _host(where)
    if not host or any(name.lower() in _PROXIES for name in environ):
        return
    try:
        socket.create_connection((host, port), REACH_SECONDS).close()
    except OSError:
        raise AwsUnreachable(
            f"AWS STS cannot be reached at {where.shown()} (no connection): is the network up?"
        ) from None


def _host(where: Where) -> tuple[str, int]:
    """Host and port, as far as they can be told without botocore's data; an empty host is one that cannot."""
    if where.endpoint_url:
        parts = urlsplit(where.endpoint_url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if re.fullmatch(r"(us|eu|ap|sa|ca|me|af|il|mx)(-gov)?-[a-z]+-\d", where.region):
        return f"sts.{where.region}.amazonaws.com", 443
    return "", 0
