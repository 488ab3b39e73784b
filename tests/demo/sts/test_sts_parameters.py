"""What the embedded STS says about parameters that AWS does not allow."""

import pytest

from mayfly.demo.sts.server import EmbeddedSts
from support.sts import TO_ASSUME, assume, call, mfa


PROBLEMS: list[tuple[str, dict[str, str], str, str]] = [
    (
        "GetSessionToken",
        {"TokenCode": "12345"},
        "tokenCode",
        "Member must have length greater than or equal to 6",
    ),
    (
        "GetSessionToken",
        {"TokenCode": "12345a"},
        "tokenCode",
        r"Member must satisfy regular expression pattern: [\d]*",
    ),
    (
        "GetSessionToken",
        {"DurationSeconds": "129601"},
        "durationSeconds",
        "Member must have value less than or equal to 129600",
    ),
    ("GetSessionToken", {"DurationSeconds": "1h"}, "durationSeconds", "Member must be a number"),
    (
        "AssumeRole",
        {**TO_ASSUME, "RoleArn": "arn:aws:iam"},
        "roleArn",
        "Member must have length greater than or equal to 20",
    ),
    (
        "AssumeRole",
        {**TO_ASSUME, "Policy": "x" * 2049},
        "policy",
        "Member must have length less than or equal to 2048",
    ),
]


@pytest.mark.parametrize(("action", "parameters", "member", "problem"), PROBLEMS)
async def test_values_are_held_against_the_service_model(
    sts: EmbeddedSts, action: str, parameters: dict[str, str], member: str, problem: str
) -> None:
    """The error names the value that the service model does not allow, and what it allows."""
    answer = await call(sts, action, **parameters)

    value = parameters[member[0].upper() + member[1:]]
    constraint = f"Value '{value}' at '{member}' failed to satisfy constraint: {problem}"
    message = f"1 validation error detected: {constraint}"
    assert (400, "ValidationError", message) == answer.refusal


async def test_missing_parameters_are_listed_in_one_error(sts: EmbeddedSts) -> None:
    """One error lists all problems, with null for a missing member."""
    answer = await call(sts, "AssumeRole")

    constraint = "failed to satisfy constraint: Member must not be null"
    message = (
        f"2 validation errors detected: Value null at 'roleArn' {constraint};"
        f" Value null at 'roleSessionName' {constraint}"
    )
    assert (400, "ValidationError", message) == answer.refusal


async def test_invalid_parameters_use_up_no_code(sts: EmbeddedSts) -> None:
    """AWS does not look at the code of an invalid request."""
    await call(sts, "GetSessionToken", DurationSeconds="1", **mfa(sts))

    assert 200 == (await call(sts, "GetSessionToken", **mfa(sts))).status


async def test_policies_are_json(sts: EmbeddedSts) -> None:
    """A session policy that is not JSON has its own error."""
    answer = await assume(sts, Policy="{")

    message = "This policy contains invalid Json"
    assert (400, "MalformedPolicyDocument", message) == answer.refusal


async def test_another_action_is_unknown(sts: EmbeddedSts) -> None:
    """The STS knows the three actions that Mayfly uses, and no other."""
    answer = await call(sts, "GetFederationToken")

    message = "Could not find operation GetFederationToken for version 2011-06-15"
    assert (400, "InvalidAction", message) == answer.refusal
