"""STS's refusals, and which of our errors each one becomes.

Codes and texts come from the STS API reference, the IAM user guide and users' reports. The first row that matches wins.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mayfly.exchange.sts.answers import NOT_AWS_HINT, date_of
from mayfly.exchange.sts.denials import denial_in
from mayfly.exchange.sts.session_policies import packed_percent, policies_to_check, smaller
from mayfly.shared import errors
from mayfly.shared.codes import CODE_PERIOD_SECONDS
from mayfly.shared.errors import MayflyError


_CODE = "AWS does not take the MFA code of {device}"
_DEVICE = "AWS does not take the MFA device {device}"
_CLOCK = "this machine's clock is {skew} AWS's"
_KEY = "AWS does not know the access key{of_key}"
_KEY_HINT = (
    "it may be deleted or inactive, created a moment ago (try again in a minute), "
    "or the region {region} may not be enabled for this account"
)

# Code, pattern of the text, error, message, hint (None: the default of the error's class).
_ROWS: tuple[tuple[str, str, type[MayflyError], str, str | None], ...] = (
    ("AccessDenied", r"invalid MFA one time pass code", errors.MfaCodeRefused, _CODE, None),
    (
        "AccessDenied",
        r"validate MFA code|MFA serial number|MultiFactorAuthentication failed",
        errors.MfaDeviceUnknown,
        _DEVICE,
        "mfa_id must be this user's own device: see its security credentials in the AWS console",
    ),
    (
        "AccessDenied",
        r"with session credentials",
        errors.AccessKeyUnknown,
        "AWS says that the access key{of_key} in 1Password belongs to temporary credentials",
        "keep an IAM user's long-term access key (AKIA…) in the item",
    ),
    (
        "AccessDenied",
        r"assumed by root",
        errors.AccessDenied,
        "AWS lets the root user assume no role",
        "put an access key of an IAM user into the item",
    ),
    (
        "AccessDenied",
        "",
        errors.AccessDenied,
        "AWS says access denied for {subject}{denial}",
        "{remedy}",
    ),
    ("InvalidClientTokenId", "", errors.AccessKeyUnknown, _KEY, _KEY_HINT),
    (
        "SignatureDoesNotMatch",
        r"Signature expired|not yet current",
        errors.ClockSkewed,
        _CLOCK,
        None,
    ),
    (
        "SignatureDoesNotMatch",
        "",
        errors.SecretKeyWrong,
        "the secret access key does not belong to the access key{of_key}",
        "check secret_access_key in the item",
    ),
    (
        "ExpiredToken|ExpiredTokenException|RequestExpired",
        "",
        errors.SessionEnded,
        "AWS says that the session has expired",
        "run 'mayfly login'",
    ),
    (
        "Throttling|ThrottlingException|TooManyRequestsException|RequestLimitExceeded",
        "",
        errors.AwsThrottled,
        "AWS STS is throttled: too many calls",
        "it is tried again by itself",
    ),
    (
        "ValidationError",
        r"DurationSeconds exceeds",
        errors.DurationRefused,
        "AWS does not allow {subject} a session of duration_seconds = {duration}",
        "use a shorter duration_seconds, or raise the role's maximum",
    ),
    (
        "RegionDisabledException",
        "",
        errors.RegionDisabled,
        "STS is not active in {region} for this account",
        "activate it in IAM's account settings, or set sts_region",
    ),
    (
        "PackedPolicyTooLarge|PackedPolicyTooLargeException",
        "",
        errors.RequestInvalid,
        "AWS finds the session policies and tags for {subject} too large when packed{packed} ({code})",
        "{smaller}",
    ),
    (
        "MalformedPolicyDocument|MalformedPolicyDocumentException",
        "",
        errors.RequestInvalid,
        "AWS finds a session policy for {subject} malformed ({code})",
        "{policies}",
    ),
    (
        "ValidationError|InvalidParameterValue|MissingParameter|InvalidAuthorizationMessage",
        "",
        errors.RequestInvalid,
        "AWS finds the request for {subject} invalid ({code})",
        "check this profile in the config",
    ),
)


def from_sts(
    response: Mapping[str, Any], parameters: Mapping[str, Any], region: str, now: datetime, reference: str = ""
) -> MayflyError:
    """The error for a refusal that botocore parsed, of a call with `parameters`, at `now` by this machine's clock.

    `reference` is where 1Password has the access key that signed the call; "" if it is a session's.
    """
    code = str(response.get("Error", {}).get("Code", ""))
    text = str(response.get("Error", {}).get("Message", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    denial = denial_in(text)
    facts = {
        "denial": denial.words,
        "remedy": denial.remedy,
        "code": code,
        "region": region,
        "device": parameters.get("SerialNumber", ""),
        "of_key": reference and f" of {reference}",
        "subject": parameters.get("RoleArn") or (f"the user of {reference}" if reference else "this user"),
        "duration": parameters.get("DurationSeconds", ""),
        "skew": _skew(response, now),
        "packed": packed_percent(text),
        "smaller": smaller(parameters),
        "policies": policies_to_check(parameters),
    }
    for codes, pattern, error, message, hint in _ROWS:
        if code in codes.split("|") and re.search(pattern, text, re.IGNORECASE):
            if error is errors.MfaCodeRefused and _is_clock_off(response, now):
                return error(f"{message}, and {_CLOCK}".format(**facts), hint=errors.ClockSkewed.default_hint)
            return error(message.format(**facts), hint=hint and hint.format(**facts))
    if status >= 500 or status == 0:
        return errors.AwsFailed(f"AWS STS failed (HTTP {status})", hint="it is tried again by itself")
    shown_code = re.sub(r"[^\w.-]", "", code, flags=re.ASCII)[:64]
    if not shown_code or shown_code == str(status):
        # AWS's own refusals name a code.
        return errors.AwsUnknown(f"AWS STS refused with HTTP {status}", hint=NOT_AWS_HINT)
    return errors.AwsUnknown(f"AWS STS refused with {shown_code}", hint="look the code up in the STS API reference")


def _skew(response: Mapping[str, Any], now: datetime) -> str:
    seconds = _ahead_seconds(response, now)
    if seconds is None:
        return "more than 15 minutes ahead of or behind"
    return f"{abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'}"


def _is_clock_off(response: Mapping[str, Any], now: datetime) -> bool:
    """True if this machine's clock is so wrong that its codes are not the ones that AWS expects."""
    return abs(_ahead_seconds(response, now) or 0) > CODE_PERIOD_SECONDS


def _ahead_seconds(response: Mapping[str, Any], now: datetime) -> int | None:
    """This machine's clock minus AWS's, in seconds; None if the refusal has no `Date`."""
    aws_at = date_of(response)
    return round((now - aws_at).total_seconds()) if aws_at else None
