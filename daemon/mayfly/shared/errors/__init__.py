"""Everything that can be expected to go wrong, and what to do about it: one class for each.

    MayflyError
    ├── OurError              Mayfly, its config, its machine
    │   ├── ConfigInvalid · ConfigChanged · OnePasswordMissing · OtpCommandFailed
    │   ├── ApprovalPending · ScreenLocked · AgentRefused
    │   ├── ExchangePending · ExchangeFailed
    │   └── GrantRefused · GrantUndelivered · GrantNotAllowed · GrantEnded · UnknownGrant
    ├── OnePasswordError      1Password, or the person in front of it
    │   ├── ApprovalDismissed · ApprovalIgnored · OnePasswordLocked · OnePasswordNotRunning · NotSignedIn
    │   ├── AccountNotFound · AccountAmbiguous · IntegrationOff · VaultNotFound · ItemNotFound · FieldNotFound
    │   ├── ItemAmbiguous · ReferenceInvalid · ItemValueInvalid · ServiceAccountRejected
    │   └── OnePasswordRateLimited · OnePasswordOffline · OnePasswordHung · OnePasswordGarbled · OnePasswordUnknown
    └── AwsError              AWS, or what is set up there
        ├── MfaCodeRefused · MfaDeviceUnknown · AccessKeyUnknown · SecretKeyWrong · ClockSkewed
        ├── AccessDenied · SessionEnded · DurationRefused · RequestInvalid · RegionDisabled · AccountMismatch
        └── AwsThrottled · AwsUnreachable · AwsFailed · AwsUnknown

A leaf says by its class whose fault it is and what follows: `http_status` (what the endpoint answers), `needs_human`
(only a person can help: no automatic second try) and `retryable` (time alone may help). An instance carries the
`message` (what happened, no secret in it) and the `hint` (the next step, pasteable where it is a command).
"""

from __future__ import annotations


TYPE_CHECKING = False  # typing costs every `aws` command some ms through credential-process
if TYPE_CHECKING:
    from mayfly.shared.errors.aws import (
        AccessDenied,
        AccessKeyUnknown,
        AccountMismatch,
        AwsFailed,
        AwsThrottled,
        AwsUnknown,
        AwsUnreachable,
        ClockSkewed,
        DurationRefused,
        MfaCodeRefused,
        MfaDeviceUnknown,
        RegionDisabled,
        RequestInvalid,
        SecretKeyWrong,
        SessionEnded,
    )
    from mayfly.shared.errors.base import (
        AwsError,
        MayflyError,
        OnePasswordError,
        OurError,
    )
    from mayfly.shared.errors.onepassword import (
        TURN_ON_INTEGRATION,
        AccountAmbiguous,
        AccountNotFound,
        ApprovalDismissed,
        ApprovalIgnored,
        FieldNotFound,
        IntegrationOff,
        ItemAmbiguous,
        ItemNotFound,
        ItemValueInvalid,
        NotSignedIn,
        OnePasswordGarbled,
        OnePasswordHung,
        OnePasswordLocked,
        OnePasswordNotRunning,
        OnePasswordOffline,
        OnePasswordRateLimited,
        OnePasswordUnknown,
        ReferenceInvalid,
        ServiceAccountRejected,
        VaultNotFound,
    )
    from mayfly.shared.errors.ours import (
        AgentRefused,
        ApprovalPending,
        ConfigChanged,
        ConfigInvalid,
        ExchangeFailed,
        ExchangePending,
        GrantEnded,
        GrantNotAllowed,
        GrantRefused,
        GrantUndelivered,
        OnePasswordMissing,
        OtpCommandFailed,
        ScreenLocked,
        UnknownGrant,
    )

__all__ = [
    "TURN_ON_INTEGRATION",
    "AccessDenied",
    "AccessKeyUnknown",
    "AccountAmbiguous",
    "AccountMismatch",
    "AccountNotFound",
    "AgentRefused",
    "ApprovalDismissed",
    "ApprovalIgnored",
    "ApprovalPending",
    "AwsError",
    "AwsFailed",
    "AwsThrottled",
    "AwsUnknown",
    "AwsUnreachable",
    "ClockSkewed",
    "ConfigChanged",
    "ConfigInvalid",
    "DurationRefused",
    "ExchangeFailed",
    "ExchangePending",
    "FieldNotFound",
    "GrantEnded",
    "GrantNotAllowed",
    "GrantRefused",
    "GrantUndelivered",
    "IntegrationOff",
    "ItemAmbiguous",
    "ItemNotFound",
    "ItemValueInvalid",
    "MayflyError",
    "MfaCodeRefused",
    "MfaDeviceUnknown",
    "NotSignedIn",
    "OnePasswordError",
    "OnePasswordGarbled",
    "OnePasswordHung",
    "OnePasswordLocked",
    "OnePasswordMissing",
    "OnePasswordNotRunning",
    "OnePasswordOffline",
    "OnePasswordRateLimited",
    "OnePasswordUnknown",
    "OtpCommandFailed",
    "OurError",
    "ReferenceInvalid",
    "RegionDisabled",
    "RequestInvalid",
    "ScreenLocked",
    "SecretKeyWrong",
    "ServiceAccountRejected",
    "SessionEnded",
    "UnknownGrant",
    "VaultNotFound",
]

# A class costs a fortieth of a millisecond, and most programs need two of the forty: each is made when it is named.
_FILES = ("base", "ours", "onepassword", "aws")

if not TYPE_CHECKING:  # else mypy would take every name for one of ours

    def __getattr__(name):
        for file in _FILES:
            found = vars(__import__(f"{__name__}.{file}", fromlist=[name])).get(name)
            if found is not None and name in __all__:
                globals()[name] = found
                return found
        raise AttributeError(f"{__name__} has no {name}")
