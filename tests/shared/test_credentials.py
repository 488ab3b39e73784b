"""Credentials as a value, and the two JSON shapes that the AWS world reads."""

from __future__ import annotations

import json
import re

from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.shared.credentials import (
    Credentials,
    account_of,
    container_body,
    instant_text,
    parse_instant,
    process_body,
)
from mayfly.shared.partitions import partition_of


PLAIN = Credentials(
    access_key_id="ASIAIOSFODNN7EXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    session_token="IQoJb3JpZ2luX2VjE" * 20,
    expiration=datetime(2026, 5, 1, 9, 5, 3, tzinfo=UTC),
)
ROLE = attrs.evolve(PLAIN, account_id="123456789012", arn="arn:aws:iam::123456789012:role/Admin")


def test_the_endpoints_answer_has_exactly_the_names_that_sdks_read() -> None:
    """No `Code`, no `LastUpdated`; the third part is called Token."""
    assert {
        "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "Token": PLAIN.session_token,
        "Expiration": "2026-05-01T09:05:03Z",
    } == json.loads(container_body(PLAIN))


def test_the_endpoints_answer_tells_account_and_role_where_they_are_known() -> None:
    """AccountId where an ARN told it, RoleArn for a role."""
    told = json.loads(container_body(ROLE))

    assert ("123456789012", "arn:aws:iam::123456789012:role/Admin") == (told["AccountId"], told["RoleArn"])


def test_the_process_answer_has_its_version_and_its_own_name_for_the_token() -> None:
    """`credential_process` says SessionToken, and version 1."""
    expected = {
        "Version": 1,
        "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "SessionToken": PLAIN.session_token,
        "Expiration": "2026-05-01T09:05:03Z",
    }

    assert expected == json.loads(process_body(PLAIN))
    assert expected | {"AccountId": "123456789012"} == json.loads(process_body(ROLE))


def test_bodies_are_small_and_plain() -> None:
    """One line of ASCII without blanks between: SDKs give up on 10,000 bytes."""
    for body in (container_body(ROLE), process_body(ROLE)):
        assert body.isascii()
        assert b"\n" not in body
        assert len(body) < 10_000


def test_no_secret_shows_where_credentials_are_printed() -> None:
    """Neither repr, nor str, nor a container's repr, nor a format."""
    for shown in (repr(PLAIN), str(PLAIN), repr([PLAIN]), f"{PLAIN}"):
        assert PLAIN.secret_access_key not in shown
        assert PLAIN.session_token not in shown
        assert "ASIAIOSFODNN7EXAMPLE" in shown


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.builds(
    lambda seconds, zone: (datetime(2, 1, 1, tzinfo=UTC) + seconds).astimezone(zone),
    st.timedeltas(timedelta(0), timedelta(days=9990 * 365)),
    ZONES,
)


@given(INSTANTS)
def test_an_instant_is_written_in_the_one_form_that_every_sdk_reads(instant: datetime) -> None:
    """Twenty characters, in UTC, no fraction, no offset; read back, it is the same second, never a later one."""
    text = instant_text(instant)

    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text)
    assert timedelta(0) <= instant - parse_instant(text) < timedelta(seconds=1)
    assert text == instant_text(parse_instant(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-05-01T09:05:03",
        "2026-05-01T09:05:03+00:00",
        "2026-05-01T09:05:03.000Z",
        "2026-05-01T9:5:3Z",
        "2026-5-1T09:05:03Z",
        "2026-05-01 09:05:03Z",
        "2026-05-01T09:05:03z",
        "2026-05-01T24:00:00Z",
        "٢٠٢٦-05-01T09:05:03Z",
        "2026-05-01T09:05:03Z\n",
    ],
)
def test_an_instant_in_any_other_form_is_refused(text: str) -> None:
    """What we write is all that we read."""
    with pytest.raises(ValueError, match=r"instant|time data|unconverted"):
        parse_instant(text)


@pytest.mark.parametrize(
    ("arn", "account", "partition"),
    [
        ("arn:aws:iam::123456789012:mfa/carmas", "123456789012", "aws"),
        ("arn:aws:sts::123456789012:assumed-role/Admin/me", "123456789012", "aws"),
        ("arn:aws-us-gov:iam::123456789012:role/Admin", "123456789012", "aws-us-gov"),
        ("arn:aws-cn:s3:cn-north-1:123456789012:bucket", "123456789012", "aws-cn"),
        ("arn:aws-eusc:iam::123456789012:user/x:y", "123456789012", "aws-eusc"),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", None, "aws"),
        ("arn:aws:iam::12345:mfa/x", None, "aws"),
        ("arn:aws:iam::٠٥٨٢٦٤٤١١٨٧٢:mfa/x", None, "aws"),
        ("arn:aws:iam::123456789012:", None, "aws"),
        ("arn:aws:iam::123456789012", None, ""),
        ("GAHT12345678", None, ""),
        ("", None, ""),
    ],
)
def test_an_arn_tells_its_account_and_its_partition(arn: str, account: str | None, partition: str) -> None:
    """Where there are twelve digits in the fifth place, and a whole ARN around them."""
    assert (account, partition) == (account_of(arn), partition_of(arn))
