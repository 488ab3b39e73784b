"""What the embedded STS says of parameters that are not allowed."""

import pytest

from mayfly.demo.sts.server import EmbeddedSts
from support.sts import (
    TO_ASSUME,
    assume,
    call,
    mfa,
)


def at_most(most: int) -> str:
    return f"Member must have length less than or equal to {most}"


def at_least(least: int) -> str:
    return f"Member must have length greater than or equal to {least}"


BREACHES: list[tuple[str, dict[str, str], str, str]] = [
    ("GetSessionToken", {"TokenCode": "12345"}, "tokenCode", at_least(6)),
    ("GetSessionToken", {"TokenCode": "1234567"}, "tokenCode", at_most(6)),
    (
        "GetSessionToken",
        {"TokenCode": "12345a"},
        "tokenCode",
        r"Member must satisfy regular expression pattern: [\d]*",
    ),
    ("GetSessionToken", {"SerialNumber": "short"}, "serialNumber", at_least(9)),
    (
        "GetSessionToken",
        {"DurationSeconds": "899"},
        "durationSeconds",
        "Member must have value greater than or equal to 900",
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
        {**TO_ASSUME, "DurationSeconds": "43201"},
        "durationSeconds",
        "Member must have value less than or equal to 43200",
    ),
    ("AssumeRole", {**TO_ASSUME, "RoleSessionName": "x"}, "roleSessionName", at_least(2)),
    ("AssumeRole", {**TO_ASSUME, "RoleSessionName": "x" * 65}, "roleSessionName", at_most(64)),
    (
        "AssumeRole",
        {**TO_ASSUME, "RoleSessionName": "a b"},
        "roleSessionName",
        r"Member must satisfy regular expression pattern: [\w+=,.@-]*",
    ),
    ("AssumeRole", {**TO_ASSUME, "RoleArn": "arn:aws:iam"}, "roleArn", at_least(20)),
    ("AssumeRole", {**TO_ASSUME, "ExternalId": "x"}, "externalId", at_least(2)),
    ("AssumeRole", {**TO_ASSUME, "SourceIdentity": "x"}, "sourceIdentity", at_least(2)),
    ("AssumeRole", {**TO_ASSUME, "Policy": "x" * 2049}, "policy", at_most(2048)),
]


@pytest.mark.parametrize(("action", "parameters", "member", "breach"), BREACHES)
async def test_breaches_of_constraints(
    sts: EmbeddedSts, action: str, parameters: dict[str, str], member: str, breach: str
) -> None:
    """A value that the service model does not allow is named, with what is allowed."""
    answer = await call(sts, action, **parameters)

    value = parameters[member[0].upper() + member[1:]]
    constraint = f"Value '{value}' at '{member}' failed to satisfy constraint: {breach}"
    message = f"1 validation error detected: {constraint}"
    assert (400, "ValidationError", message) == answer.refusal


async def test_two_breaches_are_told_at_once(sts: EmbeddedSts) -> None:
    """All breaches stand in one answer, missing members as null."""
    answer = await call(sts, "AssumeRole")

    constraint = "failed to satisfy constraint: Member must not be null"
    message = (
        f"2 validation errors detected: Value null at 'roleArn' {constraint};"
        f" Value null at 'roleSessionName' {constraint}"
    )
    assert (400, "ValidationError", message) == answer.refusal


async def test_invalid_parameters_spend_no_code(sts: EmbeddedSts) -> None:
    """A code is not looked at while the request is not valid."""
    await call(sts, "GetSessionToken", DurationSeconds="1", **mfa(sts))

    assert 200 == (await call(sts, "GetSessionToken", **mfa(sts))).status


async def test_policies_are_json(sts: EmbeddedSts) -> None:
    """A session policy that is no JSON has an error of its own."""
    answer = await assume(sts, Policy="{")

    message = "This policy contains invalid Json"
    assert (400, "MalformedPolicyDocument", message) == answer.refusal


@pytest.mark.parametrize("action", ["GetFederationToken", ""])
async def test_unknown_actions(sts: EmbeddedSts, action: str) -> None:
    """An action that is not here is unknown."""
    answer = await call(sts, action)

    message = f"Could not find operation {action} for version 2011-06-15"
    assert (400, "InvalidAction", message) == answer.refusal
