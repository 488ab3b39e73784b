"""Temporary credentials, as a value, and the two JSON shapes in which the AWS world reads them."""

from __future__ import annotations

import json
import re

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs


# From the reference of Credentials in the STS API, which sets no limit for the other two parts.
KEY_ID_CHARACTERS = 128
# Clients get fewer bytes than this, in either JSON shape. AWS: a session token has typically less than 4096.
MAX_BODY_BYTES = 10_000


@attrs.frozen(kw_only=True)
class Credentials:
    """Temporary credentials that STS issued, valid until `expiration` (aware UTC, whole seconds).

    `arn` is the role's, for credentials of a role; `account_id` and `partition` are known if an ARN has them.
    """

    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)
    session_token: str = attrs.field(repr=False)
    expiration: datetime
    account_id: str | None = None
    arn: str | None = None
    partition: str | None = None


def instant_text(instant: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`, the one form that every SDK reads.

    JS v3 and Rust refuse `+00:00`, Swift refuses fractions (measured), so isoformat() will not do.
    """
    # Not strftime: %Y has four digits only where the C library says so.
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_instant(text: str) -> datetime:
    """The inverse of `instant_text`; raises ValueError for any other form."""
    instant = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    if instant_text(instant) != text:  # strptime takes 5 for 05
        raise ValueError("an instant is written YYYY-MM-DDTHH:MM:SSZ")
    return instant


def account_of(arn: str) -> str | None:
    """The twelve digits in an ARN, or None."""
    found = re.fullmatch(r"arn:[\w-]+:[\w-]+:[\w-]*:([0-9]{12}):.+", arn)
    return found[1] if found else None


def container_body(credentials: Credentials) -> bytes:
    """The answer of the container credentials endpoint.

    No `Code`: Rust and Kotlin take any value but "Success" for an error.
    """
    known = {"AccountId": credentials.account_id, "RoleArn": credentials.arn}
    return _json(
        {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "Token": credentials.session_token,
            "Expiration": instant_text(credentials.expiration),
        }
        | {name: value for name, value in known.items() if value}
    )


def process_body(credentials: Credentials) -> bytes:
    """The output of a `credential_process`: here the third part is called SessionToken."""
    known = {"AccountId": credentials.account_id}
    return _json(
        {
            "Version": 1,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": instant_text(credentials.expiration),
        }
        | {name: value for name, value in known.items() if value}
    )


def is_within_limits(credentials: Credentials) -> bool:
    """True if every client can read the credentials, in either JSON shape."""
    bodies = container_body(credentials), process_body(credentials)
    return len(credentials.access_key_id) <= KEY_ID_CHARACTERS and max(map(len, bodies)) < MAX_BODY_BYTES


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
