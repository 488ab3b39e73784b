"""The embedded account's ListMFADevices, with a real client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from aiobotocore.session import get_session
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from mayfly.demo.sts.server import Account, EmbeddedSts
from support.sts import ACCOUNT_ID, CARMAS, PERMANENT, send, signed


KEY = f"arn:aws:iam::{ACCOUNT_ID}:u2f/user/carmas/key"


@asynccontextmanager
async def client_of(sts: EmbeddedSts, credentials: Credentials = PERMANENT) -> AsyncIterator[Any]:
    async with get_session().create_client(
        "iam",
        region_name="us-east-1",
        endpoint_url=sts.url,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
    ) as client:
        yield client


async def test_iam_lists_the_devices_of_the_caller(sts: EmbeddedSts) -> None:
    """Each device has a row, in botocore's shape; the call is recorded as one of STS would be."""
    two = Account(account_id=ACCOUNT_ID, users=(replace(CARMAS, other_devices=(KEY,)),))
    async with EmbeddedSts(two) as both, client_of(sts) as one, client_of(both) as other:
        first, second = await one.list_mfa_devices(), await other.list_mfa_devices()

    assert [CARMAS.mfa_serial] == [row["SerialNumber"] for row in first["MFADevices"]]
    assert [("carmas", CARMAS.mfa_serial), ("carmas", KEY)] == [
        (row["UserName"], row["SerialNumber"]) for row in second["MFADevices"]
    ]
    assert ([("ListMFADevices", "ok")], False) == (
        [(call.action, call.outcome) for call in sts.calls],
        second["IsTruncated"],
    )


async def test_iam_denies_the_list_in_its_own_words() -> None:
    """A user without the permission is named, and the action."""
    mute = Account(account_id=ACCOUNT_ID, users=(replace(CARMAS, may_list_devices=False),))
    async with EmbeddedSts(mute) as sts, client_of(sts) as client:
        with pytest.raises(ClientError, match="not authorized to perform: iam:ListMFADevices") as caught:
            await client.list_mfa_devices()

    assert "AccessDenied" == caught.value.response["Error"]["Code"]


async def test_a_signature_for_sts_is_none_for_iam(sts: EmbeddedSts) -> None:
    """The credential scope's service must be that of the action."""
    answers = [
        await send(signed(f"{sts.url}/", "ListMFADevices", service=service, Version="2010-05-08"))
        for service in ("iam", "sts")
    ]

    assert [200, 403] == [answer.status for answer in answers]
