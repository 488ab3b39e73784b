"""What STS answers, checked before any of it is believed.

AWS itself gives none of the answers that are refused here. Another server in its place might: a proxy, a captive
portal, an `sts_endpoint_url` that leads elsewhere.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree

import attrs

from mayfly.shared.credentials import MAX_BODY_BYTES, Credentials, account_of, is_within_limits
from mayfly.shared.errors import AwsFailed
from mayfly.shared.partitions import partition_of
from mayfly.shared.wire import Identity


# AWS refuses a signature whose time is 15 minutes off, so the `Date` of an answer is nearer to our clock than that.
MAX_CLOCK_DIFFERENCE = timedelta(minutes=15)
# The longest answers have 4 kB, most of it session token; AWS promises no limit.
MAX_ANSWER_BYTES = 64 * 1024

# The form in which STS writes an instant; botocore would also take words, numbers, and times without a zone.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
# From the reference of Credentials in the STS API; the other two parts are visible ASCII.
_ACCESS_KEY_ID = re.compile(r"\w{16,128}", re.ASCII)
_VISIBLE = re.compile(r"[!-~]+")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
NOT_AWS_HINT = "see what answers in AWS's place: sts_endpoint_url, a proxy or a firewall"


class UnusableAnswer(Exception):
    """What is wrong with an answer, in words for a person."""


@attrs.frozen(kw_only=True)
class Answer:
    """STS's answer as botocore parsed it, its `Date` by AWS's clock, and when it came by this machine's clock."""

    fields: dict[str, Any] = attrs.field(repr=False)
    aws_at: datetime | None
    received_at: datetime

    def at(self) -> datetime:
        """When STS answered, by AWS's clock if that is known."""
        return self.aws_at or self.received_at


def failed(problem: str) -> AwsFailed:
    """The error for an answer that cannot be used."""
    return AwsFailed(f"AWS STS gave no usable answer: {problem}", hint=NOT_AWS_HINT)


def check_document(operation: str, body: bytes) -> None:
    """Raise UnusableAnswer if `body` is not the XML document with which STS answers `operation`.

    In such a document no element occurs twice, and none has both text and elements in it.
    """
    try:
        text = body.decode()
        # Entities could make a short document long. They are declared in a document type, and STS sends none.
        if "<!DOCTYPE" in text:
            raise UnusableAnswer("it has a document type")
        elements = list(ElementTree.fromstring(text).iter())  # noqa: S314 - without entities, and of limited size
    except (UnicodeDecodeError, ElementTree.ParseError):
        raise UnusableAnswer("it cannot be parsed") from None
    names = [element.tag.rpartition("}")[2] for element in elements]
    if names[0] != f"{operation}Response":
        raise UnusableAnswer("it answers another question")
    if len(set(names)) < len(names) or any(len(element) and (element.text or "").strip() for element in elements):
        raise UnusableAnswer("its parts are not those of STS")


def check_date(answer: Answer, sent_at: datetime) -> None:
    """Raise UnusableAnswer if AWS's clock differs from this machine's by more than AWS itself tolerates."""
    earliest, latest = sorted((sent_at, answer.received_at))
    if answer.aws_at and not earliest - MAX_CLOCK_DIFFERENCE < answer.aws_at < latest + MAX_CLOCK_DIFFERENCE:
        raise UnusableAnswer("its Date is more than 15 minutes off")


def parse_instant(value: str | float) -> datetime:
    """An instant as STS writes it: in XML a text, in JSON seconds since 1970; raises ValueError for any other form."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    if not _INSTANT.fullmatch(value):
        raise ValueError("no instant")
    return datetime.fromisoformat(value)


def assumed_role_arn(answer: Answer) -> str:
    """The ARN of the role's session; raises AwsFailed if the answer of AssumeRole has none."""
    try:
        arn = answer.fields["AssumedRoleUser"]["Arn"]
        if account_of(arn) and arn.isprintable():
            return str(arn)
    except (KeyError, TypeError, AttributeError):
        pass
    raise failed("it does not say whose role it is")


def issued_credentials(
    answer: Answer, *, role_arn: str | None, account_arn: str, duration_seconds: float
) -> Credentials:
    """The credentials that STS issued for `duration_seconds`; raises AwsFailed if the answer holds none of that kind.

    Their account and partition are those of `account_arn`, if that is an ARN.
    """
    try:
        issued = answer.fields["Credentials"]
        credentials = Credentials(
            access_key_id=_matching(_ACCESS_KEY_ID, issued["AccessKeyId"]),
            secret_access_key=_matching(_VISIBLE, issued["SecretAccessKey"]),
            session_token=_matching(_VISIBLE, issued["SessionToken"]),
            expiration=issued["Expiration"].astimezone(UTC).replace(microsecond=0),
            account_id=account_of(account_arn),
            arn=role_arn,
            partition=partition_of(account_arn) or None,
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        raise failed("it holds no credentials") from None
    if not is_within_limits(credentials):
        raise failed(f"its credentials have {MAX_BODY_BYTES} bytes or more")
    life = credentials.expiration - answer.at()
    if life <= timedelta(0):
        raise failed("its credentials have already expired")
    if life > timedelta(seconds=duration_seconds) + MAX_CLOCK_DIFFERENCE:
        raise failed("its credentials live longer than was asked for")
    return credentials


def caller_identity(answer: Answer) -> Identity:
    """Who the caller is, from the answer of GetCallerIdentity; raises AwsFailed if the answer does not say it."""
    try:
        found = Identity(
            user_id=_matching(_VISIBLE, answer.fields["UserId"]),
            account=_matching(_ACCOUNT_ID, answer.fields["Account"]),
            arn=str(answer.fields["Arn"]),
        )
    except (KeyError, TypeError, ValueError):
        raise failed("it does not say who the caller is") from None
    if account_of(found.arn) != found.account or not found.arn.isprintable():
        raise failed("its ARN is not one of its account")
    return found


def date_of(fields: Mapping[str, Any]) -> datetime | None:
    """The `Date` header of an answer or a refusal as an aware instant; None if there is none that can be read."""
    try:
        date = parsedate_to_datetime(fields["ResponseMetadata"]["HTTPHeaders"]["date"])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError("not of this form")
    return text
