"""What STS answers: credentials, and the time by AWS's clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import attrs

from mayfly.shared.credentials import Credentials, account_of, partition_of
from mayfly.shared.errors import AwsFailed


@attrs.frozen(kw_only=True)
class Answer:
    """STS's answer as botocore parsed it, and its `Date` header."""

    fields: dict[str, Any] = attrs.field(repr=False)
    aws_at: datetime | None


def assumed_role_arn(answer: Answer) -> str:
    """The ARN of the role's session, or "" if the answer has none (that of GetSessionToken never has)."""
    try:
        return str(answer.fields["AssumedRoleUser"]["Arn"])
    except (KeyError, TypeError):
        return ""


def issued_credentials(answer: Answer, *, role_arn: str | None, account_arn: str) -> Credentials:
    """The credentials that STS issued; raises AwsFailed if the answer holds none, or if they have ended.

    Their account and partition are those of `account_arn`, if that is an ARN.
    """
    try:
        issued = answer.fields["Credentials"]
        credentials = Credentials(
            access_key_id=issued["AccessKeyId"],
            secret_access_key=issued["SecretAccessKey"],
            session_token=issued["SessionToken"],
            expiration=issued["Expiration"].astimezone(UTC).replace(microsecond=0),
            account_id=account_of(account_arn),
            arn=role_arn,
            partition=partition_of(account_arn) or None,
        )
    except (KeyError, TypeError, AttributeError):
        raise AwsFailed("AWS STS answered without credentials") from None
    if answer.aws_at and credentials.expiration <= answer.aws_at:
        raise AwsFailed("AWS STS issued credentials that have already expired")
    return credentials


def date_of(fields: Mapping[str, Any]) -> datetime | None:
    """The `Date` header of an answer or a refusal as an aware instant; None if there is none that can be read."""
    try:
        return parsedate_to_datetime(fields["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None
