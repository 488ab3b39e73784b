"""Which access keys, session tokens and codes the embedded STS accepts, and how often."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest

from botocore.credentials import Credentials

from mayfly.demo.sts.mfa import Devices
from mayfly.demo.sts.responses import StsError
from mayfly.demo.sts.server import EmbeddedSts, code_at, step_at
from support.sts import (
    ACCOUNT,
    ACCOUNT_ID,
    CARMAS,
    INVALID_CODE,
    INVALID_TOKEN,
    OTHER,
    Clock,
    assume,
    call,
    login,
    mfa,
)


async def test_unknown_keys_and_tokens(sts: EmbeddedSts) -> None:
    """AWS has one error for an unknown key and for a token that is missing, wrong or superfluous."""
    session = await login(sts)
    strangers = [
        Credentials("AKIAQ3EGWJLPEXAMPLE0", CARMAS.secret_access_key),
        Credentials(session.access_key, session.secret_key),
        Credentials(session.access_key, session.secret_key, f"{session.token}x"),
        Credentials(CARMAS.access_key_id, CARMAS.secret_access_key, session.token),
    ]
    for stranger in strangers:
        answer = await call(sts, "GetCallerIdentity", stranger)
        assert (403, "InvalidClientTokenId", INVALID_TOKEN) == answer.refusal


async def test_sessions_expire(sts: EmbeddedSts, clock: Clock) -> None:
    """A session is valid until its expiration, and not at that instant."""
    sts.faults.max_life_seconds = 60
    session = await login(sts, DurationSeconds="28800")
    clock.now = clock.now.replace(microsecond=0) + timedelta(seconds=59)
    before = await call(sts, "GetCallerIdentity", session)
    clock.now += timedelta(seconds=1)
    after = await call(sts, "GetCallerIdentity", session)

    assert 200 == before.status
    message = "The security token included in the request is expired"
    assert (403, "ExpiredToken", message) == after.refusal


async def test_revoked_keys(sts: EmbeddedSts) -> None:
    """A revoked key has the error of an unknown one, and other keys stay valid."""
    session = await login(sts)
    sts.revoke(session.access_key)
    revoked = await call(sts, "GetCallerIdentity", session)

    assert (403, "InvalidClientTokenId", INVALID_TOKEN) == revoked.refusal
    assert 200 == (await call(sts, "GetCallerIdentity")).status
    sts.revoke(CARMAS.access_key_id)
    assert "InvalidClientTokenId" == (await call(sts, "GetCallerIdentity")).refusal[1]


async def test_no_session_from_a_session(sts: EmbeddedSts) -> None:
    """GetSessionToken accepts long-term keys only, and uses up no code of another caller."""
    session = await login(sts)
    role = (await assume(sts, session)).credentials
    for temporary in (session, role):
        answer = await call(sts, "GetSessionToken", temporary, **mfa(sts, steps=1))
        message = "Cannot call GetSessionToken with session credentials"
        assert (403, "AccessDenied", message) == answer.refusal
    assert 200 == (await call(sts, "GetSessionToken", **mfa(sts, steps=1))).status


@pytest.mark.parametrize(("steps", "is_valid"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_codes_are_valid_in_three_steps(sts: EmbeddedSts, steps: int, is_valid: bool) -> None:
    """A code is valid in its own step and the two beside it, by the server's clock."""
    answer = await call(sts, "GetSessionToken", **mfa(sts, steps=steps))

    if is_valid:
        assert 200 == answer.status
        assert step_at(sts.now) + steps == sts.calls[-1].code_step
    else:
        assert INVALID_CODE == answer.refusal
        assert sts.calls[-1].code_step is None


async def test_a_code_is_valid_once(sts: EmbeddedSts) -> None:
    """A code that was accepted is refused from then on, for every action."""
    code = mfa(sts)
    await call(sts, "GetSessionToken", **code)

    assert INVALID_CODE == (await call(sts, "GetSessionToken", **code)).refusal
    assert INVALID_CODE == (await assume(sts, **code)).refusal
    assert 200 == (await call(sts, "GetSessionToken", **mfa(sts, steps=1))).status


async def test_a_refused_code_stays_refused(sts: EmbeddedSts, clock: Clock) -> None:
    """A code that was refused as too early is refused in its own step too."""
    early = mfa(sts, steps=2)
    first = await call(sts, "GetSessionToken", **early)
    clock.now += timedelta(seconds=60)
    second = await call(sts, "GetSessionToken", **early)

    assert [INVALID_CODE] * 2 == [first.refusal, second.refusal]


async def test_devices_have_their_own_codes(sts: EmbeddedSts) -> None:
    """A code that one device has used up is valid for another device with the same digits."""
    twin = replace(OTHER, totp_seed=CARMAS.totp_seed)
    account = replace(ACCOUNT, users=(CARMAS, twin))
    key = Credentials(twin.access_key_id, twin.secret_access_key)
    async with EmbeddedSts(account, clock=lambda: sts.now) as both:
        first = await call(both, "GetSessionToken", **mfa(both))
        second = await call(both, "GetSessionToken", key, **mfa(both, twin))

    assert [200, 200] == [first.status, second.status]


@pytest.mark.parametrize(("minutes", "is_valid"), [(59, False), (61, True)])
def test_devices_forget_in_an_hour(clock: Clock, minutes: int, is_valid: bool) -> None:
    """The same six digits more than an hour later are a new code."""
    later = clock.now + timedelta(minutes=minutes)
    seed, serial = str(CARMAS.totp_seed), str(CARMAS.mfa_serial)
    devices = Devices()
    with pytest.raises(StsError):
        devices.check(CARMAS, serial, code_at(seed, later), clock.now)

    with nullcontext() if is_valid else pytest.raises(StsError):
        step = devices.check(CARMAS, serial, code_at(seed, later), later)
        assert step_at(later) == step


@pytest.mark.parametrize("serial", [OTHER.mfa_serial, f"arn:aws:iam::{ACCOUNT_ID}:mfa/nobody"])
async def test_other_users_devices_are_refused(sts: EmbeddedSts, serial: str) -> None:
    """Another user's device is refused, and its code stays valid for its owner."""
    answer = await call(sts, "GetSessionToken", SerialNumber=serial, TokenCode=mfa(sts, OTHER)["TokenCode"])
    message = (
        "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA"
        " serial number is valid and associated with this user."
    )
    assert (403, "AccessDenied", message) == answer.refusal
    owner = Credentials(OTHER.access_key_id, OTHER.secret_access_key)
    assert 200 == (await call(sts, "GetSessionToken", owner, **mfa(sts, OTHER))).status


@pytest.mark.parametrize("left", ["SerialNumber", "TokenCode"])
async def test_serial_number_and_code_go_together(sts: EmbeddedSts, left: str) -> None:
    """A serial number without a code, or a code without one, is refused."""
    answer = await call(sts, "GetSessionToken", **{left: mfa(sts)[left]})

    message = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
    assert (403, "AccessDenied", message) == answer.refusal
