"""The MFA devices of a user, by ListMFADevices of IAM. It runs in the reader only, which has the keys."""

from __future__ import annotations

import asyncio
import os

from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError

from mayfly.cli.init.shapes import MFA_ARN, WORD, shape_of
from mayfly.exchange.sts.answers import failed
from mayfly.exchange.sts.client import Keys, Sts
from mayfly.exchange.sts.location import StsLocation
from mayfly.shared.errors import AwsUnreachable, MayflyError
from mayfly.shared.partitions import partition_with


class Iam(Sts):
    """Calls IAM as the exchange calls STS: no redirect, limited answers, no proxy for loopback."""

    service = "iam"

    def location(self, region: str, endpoint_url: str | None) -> StsLocation:
        """IAM of the partition that has `region`; raises AwsUnreachable where botocore knows none."""
        first = partition_with(region).first_region
        try:
            found = self._session.get_component("endpoint_resolver").construct_endpoint("iam", first)
        except BotoCoreError:
            found = None
        if not found:
            raise AwsUnreachable(f"IAM is not known in {first}")
        signed_for = (found.get("credentialScope") or {}).get("region", first)
        return StsLocation(region=signed_for, endpoint_url=endpoint_url or f"https://{found['hostname']}")


def serials(keys: Keys, region: str, endpoint_url: str | None) -> list[str]:
    """The serials of the devices whose codes STS takes; raises an AwsError."""
    try:
        return asyncio.run(_serials(keys, region, endpoint_url))
    except MayflyError as error:
        error.message = error.message.replace("AWS STS", "AWS IAM")
        error.hint = error.hint.replace("sts_endpoint_url", "AWS_ENDPOINT_URL_IAM")
        error.hint = error.hint.replace("it is tried again by itself", "try again in a minute")
        raise


async def _serials(keys: Keys, region: str, endpoint_url: str | None) -> list[str]:
    async with Iam(lambda: datetime.now(UTC)) as iam:
        answer = await iam.call(iam.location(region, endpoint_url), keys, "list_mfa_devices")
    try:
        found = [row["SerialNumber"] for row in answer.fields["MFADevices"]]
    except (KeyError, TypeError):
        raise failed("it lists no devices") from None
    return [serial for serial in found if shape_of("STRING", serial) in {MFA_ARN, WORD}]


def endpoint_in(environ: os._Environ[str]) -> str | None:
    """The endpoint of IAM that the environment names; see `followed_endpoint`."""
    from mayfly.config.sts_endpoint import followed_endpoint

    return followed_endpoint(environ.get("AWS_ENDPOINT_URL_IAM"), "iam")
