"""The faults of the embedded STS, and its record of calls."""

import asyncio

from datetime import datetime
from typing import Any

import aiohttp
import pytest

from botocore.exceptions import EndpointConnectionError
from botocore.parsers import ResponseParserError

from mayfly.demo.sts.faults import Faults
from mayfly.demo.sts.server import WRONG_ACCOUNT_ID, EmbeddedSts, step_at
from support.sts import (
    ACCOUNT_ID,
    CARMAS,
    INVALID_CODE,
    aio_client,
    assume,
    call,
    login,
    mfa,
)


async def test_throttling_uses_up_no_code(sts: EmbeddedSts) -> None:
    """A throttled request is not checked, so its code is valid in the next one."""
    sts.faults.then("throttle", "ok")
    code = mfa(sts)
    throttled = await call(sts, "GetSessionToken", **code)

    assert (400, "Throttling", "Rate exceeded") == throttled.refusal
    assert 200 == (await call(sts, "GetSessionToken", **code)).status


@pytest.mark.parametrize(("fault", "code"), [("500", "InternalFailure"), ("503", "ServiceUnavailable")])
async def test_server_errors_use_up_the_code(sts: EmbeddedSts, fault: Any, code: str) -> None:
    """The request was checked before the error, so its code is refused from then on."""
    sts.faults.then(fault)
    parameters = mfa(sts)
    answer = await call(sts, "GetSessionToken", **parameters)

    assert (int(fault), code) == answer.refusal[:2]
    assert "Receiver" == answer.text("Type")
    assert INVALID_CODE == (await call(sts, "GetSessionToken", **parameters)).refusal


async def test_reset_uses_up_the_code(sts: EmbeddedSts) -> None:
    """The connection is cut after the request was checked, so its code is refused from then on."""
    sts.faults.then("reset")
    code = mfa(sts)
    with pytest.raises(aiohttp.ClientError):
        await call(sts, "GetSessionToken", **code)

    assert ["reset", step_at(sts.now)] == [sts.calls[-1].outcome, sts.calls[-1].code_step]
    assert INVALID_CODE == (await call(sts, "GetSessionToken", **code)).refusal


async def test_hang_lasts_until_the_server_closes(sts: EmbeddedSts) -> None:
    """A request that hangs is recorded, gets no answer, and is cut when the server closes."""
    sts.faults.then("hang")
    hanging = asyncio.create_task(call(sts, "GetSessionToken", **mfa(sts)))
    await sts.called("GetSessionToken")
    other = await call(sts, "GetCallerIdentity")

    assert 200 == other.status
    assert not hanging.done()
    await sts.down()
    with pytest.raises(aiohttp.ClientError):
        await hanging


async def test_valid_codes_can_be_refused(sts: EmbeddedSts) -> None:
    """`invalid-mfa` refuses a valid code, which is used up."""
    sts.faults.then("invalid-mfa")
    code = mfa(sts)
    answers = [await call(sts, "GetSessionToken", **code) for _ in range(2)]

    assert [INVALID_CODE] * 2 == [answer.refusal for answer in answers]
    assert 200 == (await call(sts, "GetSessionToken", **mfa(sts, steps=1))).status


async def test_malformed_answers(sts: EmbeddedSts) -> None:
    """A real client cannot parse an answer that breaks off."""
    sts.faults.then("malformed")
    async with aio_client(sts.url) as client:
        with pytest.raises(ResponseParserError):
            await client.get_session_token()

    assert "malformed" == sts.calls[-1].outcome


async def test_wrong_account(sts: EmbeddedSts) -> None:
    """STS can answer for another account, directly and with the credentials that it issued."""
    sts.faults.then("wrong-account", "ok", "wrong-account", "wrong-account", "ok")
    session = (await call(sts, "GetSessionToken")).credentials
    issued = await call(sts, "GetCallerIdentity", session)
    asked = await call(sts, "GetCallerIdentity")
    role = await assume(sts)

    arn = f"arn:aws:sts::{WRONG_ACCOUNT_ID}:assumed-role/Admin/demo"
    assert [WRONG_ACCOUNT_ID] * 2 == [answer.text("Account") for answer in (issued, asked)]
    assert arn == role.text("Arn")
    assert ACCOUNT_ID == (await call(sts, "GetCallerIdentity")).text("Account")


async def test_short_lives(sts: EmbeddedSts) -> None:
    """Credentials can expire earlier than the request asked for, and never later."""
    lives = []
    for most in (None, 60.0, 20_000.0):
        sts.faults.max_life_seconds = most
        answer = await call(sts, "GetSessionToken", DurationSeconds="10000")
        expiration = datetime.fromisoformat(answer.text("Expiration"))
        lives.append((expiration - sts.now.replace(microsecond=0)).total_seconds())

    assert [10_000, 60, 10_000] == lives


async def test_down_and_up(sts: EmbeddedSts) -> None:
    """A server that was down comes back on its port, with its sessions and spent codes."""
    session, code = await login(sts), mfa(sts)
    url = sts.url
    await sts.down()
    async with aio_client(url) as client:
        with pytest.raises(EndpointConnectionError):
            await client.get_caller_identity()
    await sts.up()

    assert url == sts.url
    assert 200 == (await call(sts, "GetCallerIdentity", session)).status
    assert INVALID_CODE == (await call(sts, "GetSessionToken", **code)).refusal


async def test_down_cuts_what_is_late(sts: EmbeddedSts) -> None:
    """A slow answer does not hold up the end."""
    sts.faults.latency_seconds = 3600
    slow = asyncio.create_task(call(sts, "GetCallerIdentity"))
    await sts.called("GetCallerIdentity")
    async with asyncio.timeout(10):
        await sts.down()

    with pytest.raises(aiohttp.ClientError):
        await slow


async def test_calls_are_recorded(sts: EmbeddedSts) -> None:
    """A record has action, access key, device, the code's step, time, parameters and outcome."""
    await login(sts, DurationSeconds="900")
    await call(sts, "GetSessionToken", **mfa(sts))
    await call(sts, "GetCallerIdentity")

    first, second, third = sts.calls
    assert ("GetSessionToken", CARMAS.access_key_id) == (first.action, first.access_key_id)
    assert (CARMAS.mfa_serial, step_at(sts.now)) == (first.mfa_serial, first.code_step)
    assert (sts.now, "ok", "900") == (first.at, first.outcome, first.parameters["DurationSeconds"])
    assert ("AccessDenied", None) == (second.outcome, second.code_step)
    assert (None, "ok") == (third.mfa_serial, third.outcome)
    assert [2, 1, 0] == [sts.calls_of(action) for action in ("GetSessionToken", "GetCallerIdentity", "AssumeRole")]


async def test_concurrent_requests_are_counted(sts: EmbeddedSts) -> None:
    """`max_in_flight` is the largest number of requests that were open at one time."""
    await call(sts, "GetCallerIdentity")
    assert 1 == sts.max_in_flight
    sts.faults.then("hang", "hang", "hang")
    open_calls = [asyncio.create_task(call(sts, "GetCallerIdentity")) for _ in range(3)]
    await sts.called("GetCallerIdentity", 4)

    assert 3 == sts.max_in_flight
    await sts.down()
    await asyncio.gather(*open_calls, return_exceptions=True)


def test_unknown_faults() -> None:
    """A script with an unknown fault is refused."""
    with pytest.raises(ValueError, match="no such fault: flood"):
        Faults().then("flood")  # type: ignore[arg-type]  # what this test is about
