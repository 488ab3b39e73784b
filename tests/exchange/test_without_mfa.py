"""A profile without MFA: GetSessionToken without a code."""

from __future__ import annotations

import json

import pytest

from mayfly.demo.sts.server import EmbeddedSts, Fault, Role
from support.codes import without_mfa
from support.exchange import Clock, answer, ask, exchange, login, put, role_profile, sts_called
from support.world import SEED_ACCOUNT, World


ROLES = f"arn:aws:iam::{SEED_ACCOUNT}:role"


async def test_a_session_without_mfa_has_no_code_and_leaves_no_step(world: World) -> None:
    """STS gets no device, and the next login waits for nothing, although the time step is not over."""
    world.write_toml(without_mfa("plain") + role_profile("admin", f"{ROLES}/Admin", "plain"))

    ended = [await ask(world, login(world, "plain", "admin")) for _ in range(2)]

    assert [{"plain": "Credentials", "admin": "Credentials"}] * 2 == [one.verdicts for one in ended]
    sessions = [call for call in world.sts.calls if call.action == "GetSessionToken"]
    assert [(None, None, "ok")] * 2 == [(call.mfa_serial, call.code_step, call.outcome) for call in sessions]
    assert 2 == len(world.vault.calls())
    rows = json.loads((world.run_dir / "op.lock").read_text())
    assert [f"op {world.op}"] == list(rows)
    credentials = ended[0].credentials("plain")
    assert (None, None) == (credentials.account_id, credentials.partition)


async def test_a_role_that_requires_mfa_is_refused_by_aws_with_what_mends_it(world: World, clock: Clock) -> None:
    """AWS says access denied; the hint adds that the profile below has no MFA."""
    world.write_toml(without_mfa("plain") + role_profile("guarded", f"{ROLES}/Guarded", "plain"))
    async with EmbeddedSts(world.account(Role(name="Guarded", requires_mfa=True)), clock=clock) as world.sts:
        error = (await ask(world, login(world, "guarded"))).error("guarded")

    assert "AccessDenied" == error.code
    assert error.hint.endswith("; if the role's trust policy requires MFA, give plain otp and mfa_id")


@pytest.mark.parametrize(("account_id", "verdict"), [(SEED_ACCOUNT, "Credentials"), ("1" * 12, "AccountMismatch")])
async def test_the_account_of_a_session_without_mfa_is_asked_for(world: World, account_id: str, verdict: str) -> None:
    """No device's ARN tells the account, so an `account_id` in the config costs a call."""
    world.write_toml(without_mfa("plain", f'account_id = "{account_id}"'))

    ended = await ask(world, login(world, "plain"))

    assert {"plain": verdict} == ended.verdicts
    assert ["GetSessionToken", "GetCallerIdentity"] == [call.action for call in world.sts.calls]


@pytest.mark.parametrize("fault", ["500", "reset"])
async def test_a_failure_of_sts_costs_no_second_prompt(world: World, fault: Fault) -> None:
    """Without a code the call is made again with the same keys, at once and once."""
    world.write_toml(without_mfa("plain"))
    world.sts.faults.then(fault)
    mended = await ask(world, login(world, "plain"))
    world.sts.faults.then(fault, fault)
    failed = await ask(world, login(world, "plain"))

    assert [{"plain": "Credentials"}, {"plain": "AwsFailed"}] == [mended.verdicts, failed.verdicts]
    assert (2, 4) == (len(world.vault.calls()), world.sts.calls_of("GetSessionToken"))


async def test_two_profiles_without_mfa_do_not_wait_for_each_other(world: World) -> None:
    """No device is shared where there is none: both come from one `op`, in the same time step."""
    world.write_toml(without_mfa("plain") + without_mfa("short", "duration_seconds = 3600"))
    async with exchange(world) as process:
        await put(process, login(world, "plain", "short"))
        await sts_called(world)
        ended = await answer(process)

    assert {"plain": "Credentials", "short": "Credentials"} == ended.verdicts
    assert (1, 2) == (len(world.vault.calls()), world.sts.calls_of("GetSessionToken"))
