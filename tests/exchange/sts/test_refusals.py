"""STS's refusals, and the error that each becomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from mayfly.exchange.sts.refusals import from_sts
from mayfly.shared import errors
from mayfly.shared.errors import MayflyError
from mayfly.shared.errors.all_errors import leaves


NOW = datetime(2026, 8, 24, 12, tzinfo=UTC)
ROLE = "arn:aws:iam::058264411872:role/Admin"
DEVICE = "arn:aws:iam::058264411872:mfa/carmas"
PARAMETERS = {"RoleArn": ROLE, "SerialNumber": DEVICE, "DurationSeconds": 43200}
MFA = "MultiFactorAuthentication failed"

REFUSALS = [
    ("AccessDenied", f"{MFA} with invalid MFA one time pass code.", 403, errors.MfaCodeRefused, "MFA code"),
    (
        "AccessDenied",
        f"{MFA}, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this "
        "user.",
        403,
        errors.MfaDeviceUnknown,
        DEVICE,
    ),
    (
        "AccessDenied",
        f"{MFA}, must provide both MFA serial number and one time pass code.",
        403,
        errors.MfaDeviceUnknown,
        DEVICE,
    ),
    ("AccessDenied", "Roles may not be assumed by root accounts.", 403, errors.AccessDenied, "root user"),
    (
        "ValidationError",
        "1 validation error detected: Value at 'tokenCode' failed to satisfy constraint: Member must have length 6",
        400,
        errors.RequestInvalid,
        ROLE,
    ),
    (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        400,
        errors.DurationRefused,
        "duration_seconds = 43200",
    ),
    (
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        400,
        errors.DurationRefused,
        ROLE,
    ),
    ("AccessDenied", "Cannot call GetSessionToken with session credentials", 403, errors.AccessKeyUnknown, "temporary"),
    (
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
        403,
        errors.AccessKeyUnknown,
        "access key",
    ),
    ("ExpiredToken", "The security token included in the request is expired", 403, errors.SessionEnded, "expired"),
    ("ExpiredTokenException", "The security token is expired", 400, errors.SessionEnded, "expired"),
    ("RequestExpired", "Request has expired.", 400, errors.SessionEnded, "expired"),
    (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method.",
        403,
        errors.SecretKeyWrong,
        "secret access key",
    ),
    (
        "SignatureDoesNotMatch",
        "Signature expired: 20240217T171323Z is now earlier than 20240217T173539Z (20240217T175039Z - 15 min.)",
        403,
        errors.ClockSkewed,
        "this machine's clock is 1200 s behind AWS's",
    ),
    (
        "SignatureDoesNotMatch",
        "Signature not yet current: 20240217T171323Z is still later than 20240217T173539Z",
        403,
        errors.ClockSkewed,
        "this machine's clock is 1200 s behind AWS's",
    ),
    ("Throttling", "Rate exceeded", 400, errors.AwsThrottled, "throttled"),
    ("ThrottlingException", "Rate exceeded", 400, errors.AwsThrottled, "throttled"),
    (
        "AccessDenied",
        f"User: arn:aws:iam::058264411872:user/carmas is not authorized to perform: sts:AssumeRole on resource: {ROLE}",
        403,
        errors.AccessDenied,
        ROLE,
    ),
    ("RegionDisabledException", "STS is not activated in this region", 403, errors.RegionDisabled, "eu-south-1"),
    ("InternalFailure", "The request processing has failed", 500, errors.AwsFailed, "HTTP 500"),
    ("ServiceUnavailable", "The request has failed", 503, errors.AwsFailed, "HTTP 503"),
    ("503", "Service Unavailable", 503, errors.AwsFailed, "HTTP 503"),
    ("", "", 0, errors.AwsFailed, "HTTP 0"),
    ("Odd\x1b[31mCode", "whatever op://V/I/F", 418, errors.AwsUnknown, "AWS STS refused with Odd31mCode"),
    ("", "", 404, errors.AwsUnknown, "AWS STS refused with HTTP 404"),
]


USER = "User: arn:aws:iam::058264411872:user/carmas is not authorized to perform: "
SCP_ARN = "arn:aws:organizations::123456789012:policy/o-abc/service_control_policy/p-xyz"
# The rest of the text from the action on, then what the message and the hint must name, and what they must not.
DENIALS = [
    (
        "sts:AssumeRole because no role trust policy allows the sts:AssumeRole action",
        "no trust policy",
        "trust policy of",
        "SCP",
    ),
    (
        "sts:AssumeRole with an explicit deny in the role trust policy",
        "explicit deny in a trust policy",
        "remove",
        "SCP",
    ),
    (
        f"sts:AssumeRole on resource: {ROLE} because no identity-based policy allows the sts:AssumeRole action",
        "no identity-based policy",
        "permissions of the user or role",
        "trust policy",
    ),
    (
        f"sts:AssumeRole on resource: {ROLE} with an explicit deny in a service control policy: {SCP_ARN}",
        f"explicit deny in a service control policy, {SCP_ARN}",
        "SCP",
        "trust policy",
    ),
    (
        "sts:AssumeRole because no service control policy allows the sts:AssumeRole action",
        "no service control",
        "SCP",
        "trust",
    ),
    (
        "sts:AssumeRole with an explicit deny in a resource control policy",
        "resource control policy",
        "RCP",
        "trust policy",
    ),
    ("sts:AssumeRole because no permissions boundary allows it", "no permissions boundary", "boundary", "trust policy"),
    (
        "sts:AssumeRole with an explicit deny in a permissions boundary",
        "in a permissions boundary",
        "boundary",
        "trust",
    ),
    (
        "sts:AssumeRole because no session policy allows it",
        "no session policy",
        "policy and policy_arns",
        "trust policy",
    ),
    ("sts:AssumeRole with an explicit deny in a sessions policy", "in a session policy", "policy_arns", "trust policy"),
    ("sts:AssumeRole with an explicit deny in a VPC endpoint policy", "VPC endpoint policy", "VPC endpoint", "trust"),
    (f"sts:TagSession on resource: {ROLE}", "(sts:TagSession)", "allow sts:TagSession in the trust policy", "SCP"),
    (f"sts:TagSession on resource: {ROLE}", "sts:TagSession", "leave tags out", "source_identity"),
    (f"sts:SetSourceIdentity on resource: {ROLE}", "sts:SetSourceIdentity", "leave source_identity out", "tags"),
    (f"sts:AssumeRole on resource: {ROLE}", "(sts:AssumeRole)", "in the trust policy of the role, and in", "SCP"),
    ("sts:AssumeRole with an explicit deny", "(sts:AssumeRole)", "remove the deny of sts:AssumeRole in", "allow"),
    (
        "sts:AssumeRole with an explicit deny in an identity-based policy",
        "deny in an identity-based",
        "remove",
        "allow",
    ),
    ("sts:GetSessionToken with an explicit deny", "(sts:GetSessionToken)", "permissions of the user", "trust policy"),
    ("sts:Assume\x1bRole on resource: x", "access denied for", "trust policy", "\x1b"),
]


@pytest.mark.parametrize(("text", "told", "advice", "not_told"), DENIALS)
def test_access_denied_names_the_action_and_the_policy_that_aws_names(
    text: str, told: str, advice: str, not_told: str
) -> None:
    """AWS says which action is denied, and often by which kind of policy: the hint leads there and nowhere else."""
    error = from_sts(_response("AccessDenied", USER + text, 403), PARAMETERS, "eu-south-1", NOW)

    assert errors.AccessDenied is type(error)
    assert f"AWS says access denied for {ROLE}" in error.message
    assert told in error.message
    assert advice in error.hint
    assert not_told not in error.hint.removeprefix(told)
    assert "carmas" not in error.sentence()


@pytest.mark.parametrize("code", ["403", ""])
def test_a_refusal_that_is_not_in_the_form_of_aws_points_to_what_answers(code: str) -> None:
    """A firewall's 403 is no refusal of AWS: the hint says what may stand in its place."""
    error = from_sts(_response(code, "Forbidden", 403), PARAMETERS, "eu-south-1", NOW)

    assert "AWS STS refused with HTTP 403" == error.message
    assert "a proxy or a firewall" in error.hint


def _response(code: str, text: str, status: int, aws_at: datetime | None = None) -> dict[str, Any]:
    headers = {"date": format_datetime(aws_at, usegmt=True)} if aws_at else {}
    return {
        "Error": {"Code": code, "Message": text},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }


@pytest.mark.parametrize(("code", "text", "status", "leaf", "told"), REFUSALS)
def test_every_refusal_of_sts_becomes_its_error(
    code: str, text: str, status: int, leaf: type[MayflyError], told: str
) -> None:
    """Each code and text of STS becomes one error, which names the cause and the next step."""
    response = _response(code, text, status, NOW + timedelta(minutes=20))

    error = from_sts(response, PARAMETERS, "eu-south-1", NOW)

    assert leaf is type(error)
    assert told in error.message
    assert "op://" not in error.sentence()
    assert "\x1b" not in error.sentence()


KEY = "op://NSRC/AWS/access_key_id"
NOT_AUTHORIZED = "User: arn:aws:iam::058264411872:user/carmas is not authorized to perform: sts:GetSessionToken"


@pytest.mark.parametrize(
    ("code", "text", "told"),
    [
        ("InvalidClientTokenId", "", f"AWS does not know the access key of {KEY}"),
        ("SignatureDoesNotMatch", "", f"the secret access key does not belong to the access key of {KEY}"),
        (
            "AccessDenied",
            "Cannot call GetSessionToken with session credentials",
            f"AWS says that the access key of {KEY} in 1Password belongs to temporary credentials",
        ),
        ("AccessDenied", NOT_AUTHORIZED, f"AWS says access denied for the user of {KEY} (sts:GetSessionToken)"),
        ("AccessDenied", f"{MFA} with invalid MFA one time pass code.", f"AWS does not take the MFA code of {DEVICE}"),
    ],
)
def test_what_is_wrong_with_an_item_is_told_with_its_reference(code: str, text: str, told: str) -> None:
    """A person with ten items reads which one to mend. A device is named by its serial."""
    parameters = {"SerialNumber": DEVICE, "DurationSeconds": 43200}

    assert told == from_sts(_response(code, text, 403), parameters, "eu-south-1", NOW, KEY).message


PACKED = "Packed policy consumes 118% of allotted space, please use smaller policy."
PACKED_TAGS = "Packed size of session tags consumes 112% of allotted space."
# A refusal's code and text, the parameters of the call, then what the message and the hint must name.
POLICIES = [
    ("PackedPolicyTooLarge", PACKED, {"Policy": "{}"}, "too large when packed: 118% of", "shorten the policy"),
    ("PackedPolicyTooLarge", PACKED, {"PolicyArns": [{}]}, "for arn:aws:iam", "name fewer policy ARNs"),
    ("PackedPolicyTooLarge", PACKED_TAGS, {"Tags": [{}]}, ": 112% of", "give fewer or shorter tags"),
    (
        "PackedPolicyTooLarge",
        "No percentage \x1b 5% here",
        {"Policy": "{}", "PolicyArns": [{}]},
        "too large when packed (PackedPolicyTooLarge)",
        "shorten the policy or name fewer policy ARNs",
    ),
    ("PackedPolicyTooLargeException", PACKED_TAGS, {}, "112%", "give the source profile fewer or shorter tags"),
    (
        "MalformedPolicyDocument",
        "Syntax errors in policy.",
        {"Policy": "{}"},
        "(MalformedPolicyDocument)",
        "validate-policy",
    ),
    ("MalformedPolicyDocument", "", {"PolicyArns": [{}]}, "a session policy for arn:aws:iam", "'aws iam get-policy"),
]


@pytest.mark.parametrize(("code", "text", "parameters", "told", "advice"), POLICIES)
def test_refused_session_policies_are_told_with_the_one_to_mend(
    code: str, text: str, parameters: dict[str, Any], told: str, advice: str
) -> None:
    """The hint names what the call had of a policy, ARNs and tags, and nothing that it had not."""
    error = from_sts(_response(code, text, 400), PARAMETERS | parameters, "eu-south-1", NOW)

    assert errors.RequestInvalid is type(error)
    assert told in error.message
    assert advice in error.hint
    assert ("policy" in error.hint.replace("policy ARN", "")) == ("Policy" in parameters or "get-policy" in advice)
    assert error.sentence().isprintable()


PASSES = {errors.AwsThrottled, errors.AwsFailed, errors.AwsUnreachable, errors.SessionEnded}


@pytest.mark.parametrize("leaf", leaves(errors.AwsError))
def test_what_aws_refuses_needs_no_finger(leaf: type[MayflyError]) -> None:
    """A refusal that time may cure is 503 and retried, any other is 400; none needs a person."""
    expected = (503, True, False) if leaf in PASSES else (400, False, False)

    assert expected == (leaf.http_status, leaf.retryable, leaf.needs_human)


@pytest.mark.parametrize("number", [number for number, row in enumerate(REFUSALS) if row[3] is not errors.AwsUnknown])
def test_every_known_refusal_has_a_next_step(number: int) -> None:
    """Every known refusal has a hint."""
    code, text, status, _, _ = REFUSALS[number]

    assert from_sts(_response(code, text, status), PARAMETERS, "eu-south-1", NOW).hint


def test_a_region_that_may_be_off_is_named() -> None:
    """InvalidClientTokenId has three causes: the hint has them all, and the region."""
    error = from_sts(_response("InvalidClientTokenId", "", 403), {}, "eu-south-1", NOW)

    assert "deleted or inactive" in error.hint
    assert "a moment ago" in error.hint
    assert "the region eu-south-1 may not be enabled" in error.hint


@pytest.mark.parametrize(
    ("aws_at", "told"),
    [
        (NOW - timedelta(hours=1), "3600 s ahead of"),
        (NOW + timedelta(hours=1), "3600 s behind"),
        (None, "more than 15 minutes ahead of or behind"),
    ],
)
def test_a_wrong_clock_is_told_in_seconds(aws_at: datetime | None, told: str) -> None:
    """The error takes the difference of the clocks from STS's `Date`."""
    response = _response("SignatureDoesNotMatch", "Signature expired: …", 403, aws_at)

    assert f"this machine's clock is {told} AWS's" == from_sts(response, {}, "us-east-1", NOW).message


@pytest.mark.parametrize(
    ("aws_at", "told"),
    [
        (NOW + timedelta(seconds=200), ", and this machine's clock is 200 s behind AWS's"),
        (NOW - timedelta(seconds=31), ", and this machine's clock is 31 s ahead of AWS's"),
        (NOW + timedelta(seconds=30), ""),
        (None, ""),
    ],
)
def test_a_refused_code_says_how_far_the_clock_is_off(aws_at: datetime | None, told: str) -> None:
    """A clock that is off by a code's life makes every code wrong: then the hint is to set the clock."""
    response = _response("AccessDenied", f"{MFA} with invalid MFA one time pass code.", 403, aws_at)

    error = from_sts(response, PARAMETERS, "us-east-1", NOW)
    assert (errors.MfaCodeRefused, f"AWS does not take the MFA code of {DEVICE}{told}") == (type(error), error.message)
    assert ("set this machine's clock" == error.hint) is bool(told)


@pytest.mark.parametrize("response", [{}, {"Error": {}}, {"Error": {"Code": None}, "ResponseMetadata": {}}])
def test_an_answer_without_words_is_a_failure(response: dict[str, Any]) -> None:
    """A refusal without a code and a text is an AwsFailed."""
    assert isinstance(from_sts(response, {}, "us-east-1", NOW), errors.AwsFailed)
