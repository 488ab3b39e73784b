"""Errors of AWS, or of what is set up there."""

from __future__ import annotations

from mayfly.shared.errors.base import AwsError, MayPass, SetUpWrong


class MfaCodeRefused(AwsError, SetUpWrong):
    """STS does not take the code, nor the next one."""

    default_hint = "check that the item's one-time password belongs to this MFA device, and this machine's clock"


class MfaDeviceUnknown(AwsError, SetUpWrong):
    """The MFA serial is not this user's."""


class AccessKeyUnknown(AwsError, SetUpWrong):
    """AWS does not know the access key.

    It is deleted, so new that it is not known everywhere, or the region is not enabled.
    """


class SecretKeyWrong(AwsError, SetUpWrong):
    """The signature does not match, and the clock is right."""


class ClockSkewed(AwsError, SetUpWrong):
    """This machine's clock is too far from AWS's."""

    default_hint = "set this machine's clock"


class AccessDenied(AwsError, SetUpWrong):
    """AWS knows who asks, and says no."""


class SessionEnded(AwsError, MayPass):
    """AWS takes the session for ended or revoked."""


class DurationRefused(AwsError, SetUpWrong):
    """The duration is longer than this role, or role chaining, allows."""


class RequestInvalid(AwsError, SetUpWrong):
    """AWS finds a parameter malformed."""


class RegionDisabled(AwsError, SetUpWrong):
    """STS is not active in this region for this account."""


class AccountMismatch(AwsError, SetUpWrong):
    """The credentials belong to another account than the config's account_id or role_arn says."""

    default_hint = "check account_id in the config, and whose keys the item holds"


class AwsThrottled(AwsError, MayPass):
    """STS throttles requests."""


class AwsUnreachable(AwsError, MayPass):
    """No connection: the request never left."""


class AwsFailed(AwsError, MayPass):
    """The request left, and no usable answer came."""


class AwsUnknown(AwsError, SetUpWrong):
    """A refusal of STS that nobody has recorded yet."""
