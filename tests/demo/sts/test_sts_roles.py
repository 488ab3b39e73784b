"""Which roles of the embedded STS a caller may assume, and for how long."""

import json
import random
import re
import string

from dataclasses import replace
from typing import Any

import pytest

from mayfly.demo.sts.server import EmbeddedSts, Role
from support.sts import (
    ACCOUNT,
    ACCOUNT_ID,
    CARMAS,
    GUARDED_ARN,
    PARTNER_ARN,
    PERMANENT,
    ROLE_ARN,
    Clock,
    assume,
    call,
    login,
    mfa,
)


def not_authorized(arn: str, who: str = f"arn:aws:iam::{ACCOUNT_ID}:user/carmas") -> Any:
    message = f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    return 403, "AccessDenied", message


async def test_undeclared_roles(sts: EmbeddedSts) -> None:
    """A role that does not exist, or is of another account, cannot be assumed."""
    for arn in (f"{ROLE_ARN}istrator", ROLE_ARN.replace(ACCOUNT_ID, "1" * 12)):
        assert not_authorized(arn) == (await assume(sts, arn=arn)).refusal


async def test_roles_that_require_mfa(sts: EmbeddedSts) -> None:
    """A role that requires MFA can be assumed with a session that had it, or with a code."""
    plain = (await call(sts, "GetSessionToken")).credentials
    refused = [await assume(sts, who, GUARDED_ARN) for who in (PERMANENT, plain)]
    with_code = await assume(sts, PERMANENT, GUARDED_ARN, **mfa(sts, steps=1))
    with_session = await assume(sts, await login(sts), GUARDED_ARN)

    assert [not_authorized(GUARDED_ARN)] * 2 == [answer.refusal for answer in refused]
    assert [200, 200] == [with_code.status, with_session.status]


async def test_roles_carry_no_mfa(sts: EmbeddedSts) -> None:
    """A role session has no MFA, even if its source session had it."""
    role = (await assume(sts, await login(sts))).credentials
    answer = await assume(sts, role, GUARDED_ARN)

    who = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/Admin/demo"
    assert not_authorized(GUARDED_ARN, who) == answer.refusal


async def test_external_ids(sts: EmbeddedSts) -> None:
    """A role with an external id can be assumed with that one only."""
    without = await assume(sts, arn=PARTNER_ARN)
    other = await assume(sts, arn=PARTNER_ARN, ExternalId="guess")
    right = await assume(sts, arn=PARTNER_ARN, ExternalId="a-secret-word")

    assert [not_authorized(PARTNER_ARN)] * 2 == [without.refusal, other.refusal]
    assert 200 == right.status


async def test_session_names(clock: Clock) -> None:
    """A role whose trust policy demands a session name can be assumed under such a name only."""
    account = replace(ACCOUNT, roles=(Role(name="Admin", session_name="mayfly-*-1a2b3c4?"),))
    async with EmbeddedSts(account, clock=clock) as sts:
        refused = [
            await assume(sts, RoleSessionName=name) for name in ("demo", "mayfly-a-1a2b3c", "a-mayfly-a-1a2b3c4d")
        ]
        right = await assume(sts, RoleSessionName="mayfly-a-1a2b3c4d")

    assert [not_authorized(ROLE_ARN)] * 3 == [answer.refusal for answer in refused]
    assert 200 == right.status


async def test_packed_policies(sts: EmbeddedSts) -> None:
    """Session policies and tags count together when packed; the answer tells how much of the space they take."""
    words = "".join(random.Random(1).choices(string.ascii_letters, k=1556))
    arns = {f"PolicyArns.member.{number}.arn": f"arn:aws:iam::aws:policy/{words[:500]}" for number in (1, 2)}
    tags = {"Tags.member.1.Key": "team", "Tags.member.1.Value": words[1300:]}
    small = await assume(sts, Policy="{}")
    large = await assume(sts, Policy=json.dumps({"Id": words[:1300]}))
    refused = await assume(sts, Policy=json.dumps({"Id": words[:1300]}), **tags)
    with_arns = await assume(sts, **arns)

    assert 0 < int(small.text("PackedPolicySize")) < int(large.text("PackedPolicySize")) <= 100
    assert (400, "PackedPolicyTooLarge") == refused.refusal[:2]
    assert re.fullmatch(
        r"Packed policy consumes 1\d\d% of allotted space, please use smaller policy\.", refused.refusal[2]
    )
    assert 200 == with_arns.status
    assert tuple(arns.values()) == sts.calls[-1].policy_arns


async def test_durations_of_roles(sts: EmbeddedSts) -> None:
    """A role's maximum limits long-term keys; sessions get an hour at most."""
    long_arn = f"arn:aws:iam::{ACCOUNT_ID}:role/Long"
    session = await login(sts)
    beyond = await assume(sts, DurationSeconds="3601")
    long = await assume(sts, arn=long_arn, DurationSeconds="43200", **mfa(sts, steps=1))
    chained = await assume(sts, session, long_arn, DurationSeconds="3601")
    hour = await assume(sts, session, long_arn, DurationSeconds="3600")

    message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    assert (400, "ValidationError", message) == beyond.refusal
    assert 200 == long.status
    message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    assert (400, "ValidationError", message) == chained.refusal
    assert 200 == hour.status


async def test_source_identity_comes_back(sts: EmbeddedSts) -> None:
    """AssumeRole returns the SourceIdentity, and the record has the parameters."""
    answer = await assume(sts, SourceIdentity="carmas", Policy="{}")

    assert "carmas" == answer.text("SourceIdentity")
    assert "{}" == sts.calls[-1].parameters["Policy"]


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
async def test_partitions(clock: Clock, partition: str) -> None:
    """Every ARN has the partition of the MFA device."""
    user = replace(CARMAS, mfa_serial=f"arn:{partition}:iam::{ACCOUNT_ID}:mfa/carmas")
    arn = ROLE_ARN.replace("arn:aws:", f"arn:{partition}:")
    async with EmbeddedSts(replace(ACCOUNT, users=(user,)), clock=clock) as sts:
        who = await call(sts, "GetCallerIdentity")
        role = await assume(sts, arn=arn)

    assert f"arn:{partition}:iam::{ACCOUNT_ID}:user/carmas" == who.text("Arn")
    assert f"arn:{partition}:sts::{ACCOUNT_ID}:assumed-role/Admin/demo" == role.text("Arn")
