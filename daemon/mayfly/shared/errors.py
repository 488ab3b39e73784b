"""Everything that can be expected to go wrong, and what to do about it: one class for each.

    MayflyError
    ├── OurError              Mayfly, its config, its machine
    │   ├── ConfigInvalid · ConfigChanged · OnePasswordMissing
    │   ├── ApprovalPending · ScreenLocked
    │   └── ExchangePending · ExchangeFailed
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


# The name of the setting as the app shows it (1Password's documentation of the app integration).
TURN_ON_INTEGRATION = "turn on 'Integrate with 1Password CLI' in the 1Password app: Settings > Developer"


class MayflyError(Exception):
    """Anything that can be expected to go wrong; `code` is the name of its class.

    `retry_after_seconds` is how long the other party asked us to stay away, or None.
    """

    http_status = 503
    needs_human = False
    retryable = False
    default_hint = ""

    def __init__(self, message: str, *, hint: str | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.retry_after_seconds = retry_after_seconds

    @property
    def code(self) -> str:
        """The class's name, as it stands in answers and logs."""
        return type(self).__name__

    def hint_for(self, profile: str) -> str:
        """The next step, with `profile` named in the command, if it is about one."""
        return self.hint.replace("'mayfly login'", f"'mayfly login {profile}'") if profile else self.hint

    def sentence(self, profile: str = "") -> str:
        """The message and the hint, as one line for a person."""
        return f"{self.message}: {self.hint_for(profile)}" if self.hint else self.message

    @classmethod
    def named(cls, code: str) -> type[MayflyError]:
        """The leaf called `code`; raises KeyError where there is none."""
        return {leaf.__name__: leaf for leaf in leaves(cls)}[code]


def leaves(root: type[MayflyError]) -> list[type[MayflyError]]:
    """Every class below `root` that has none below itself, once."""
    below = root.__subclasses__()
    return list(dict.fromkeys(leaf for child in below for leaf in leaves(child))) if below else [root]


class OurError(MayflyError):
    """Mayfly, its config or this machine."""


class OnePasswordError(MayflyError):
    """1Password, or the person in front of it."""


class AwsError(MayflyError):
    """AWS, or what is set up there."""


# What a person must do now. Retried only when a client or a person asks again.


class _HumanMustAct(MayflyError):
    http_status = 403
    needs_human = True
    default_hint = "run 'mayfly login' when you are ready"


class _SetUpWrong(MayflyError):
    """Stays wrong until somebody mends the config, the item or AWS."""

    http_status = 400


class _MayPass(MayflyError):
    """Time alone may help."""

    retryable = True


class ConfigInvalid(OurError, _SetUpWrong):
    """The config cannot be used; `problems` has a line for each reason."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ConfigChanged(OurError, _SetUpWrong):
    """The file on disk is not the config that the daemon runs on."""

    default_hint = "run 'mayfly reload'"


class OnePasswordMissing(OurError, _SetUpWrong):
    """There is no `op` that may be run."""

    default_hint = "install the 1Password CLI"


class ApprovalPending(OurError, _HumanMustAct):
    """The client has waited for `cold_wait_seconds`; the exchange goes on."""


class ScreenLocked(OurError, _HumanMustAct):
    """Nobody is asked through a locked screen."""

    default_hint = "unlock the screen and try again"

    def __init__(
        self,
        message: str = "the screen is locked, so nobody is asked",
        *,
        hint: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, retry_after_seconds=retry_after_seconds)


class ExchangePending(OurError, _MayPass):
    """The client's patience is at its end, and nobody is asked for anything; the exchange goes on."""

    default_hint = "ask again"


class ExchangeFailed(OurError, _MayPass):
    """The exchange broke its protocol, or died."""

    default_hint = "look at the daemon's log"


class ApprovalDismissed(OnePasswordError, _HumanMustAct):
    """Somebody said no, or closed the window."""


class ApprovalIgnored(OnePasswordError, _HumanMustAct):
    """Nobody answered within the minute that 1Password waits."""


class OnePasswordLocked(OnePasswordError, _HumanMustAct):
    """The app is locked."""

    default_hint = "unlock 1Password, then run 'mayfly login'"


class OnePasswordNotRunning(OnePasswordError, _HumanMustAct):
    """The desktop app does not run, or does not answer."""

    default_hint = "start the 1Password app, then run 'mayfly login'"


class NotSignedIn(OnePasswordError, _HumanMustAct):
    """No session, and nothing that could open one."""

    default_hint = TURN_ON_INTEGRATION


class AccountNotFound(OnePasswordError, _SetUpWrong):
    """`op` knows no account, or not this one."""

    default_hint = "see 'op account list', and account in the config"


class AccountAmbiguous(OnePasswordError, _SetUpWrong):
    """`op` knows several accounts, and the config does not say which."""

    default_hint = "see 'op account list', and set account in the config"


class IntegrationOff(OnePasswordError, _SetUpWrong):
    """The app turns our `op` away."""

    default_hint = f"{TURN_ON_INTEGRATION}; on Linux op must keep its group onepassword-cli"


class VaultNotFound(OnePasswordError, _SetUpWrong):
    """No such vault for this account."""


class ItemNotFound(OnePasswordError, _SetUpWrong):
    """No such item in that vault, or it is archived."""


class FieldNotFound(OnePasswordError, _SetUpWrong):
    """No such field in that item."""


class ItemAmbiguous(OnePasswordError, _SetUpWrong):
    """Several items go by this name."""

    default_hint = "name the item by its ID in the config"


class ReferenceInvalid(OnePasswordError, _SetUpWrong):
    """`op` cannot read the reference."""


class ItemValueInvalid(OnePasswordError, _SetUpWrong):
    """The field is there, and its value cannot be what the config takes it for."""


class ServiceAccountRejected(OnePasswordError, _SetUpWrong):
    """The service account is deleted, or its token is not accepted."""

    default_hint = "make a new service account token and put it in token_file"


class OnePasswordRateLimited(OnePasswordError, _MayPass):
    """Too many requests; 1Password says when to come back."""


class OnePasswordOffline(OnePasswordError, _MayPass):
    """`op` reaches no 1Password server."""


class OnePasswordHung(OnePasswordError, _MayPass):
    """`op` did not end within its time limit."""


class OnePasswordGarbled(OnePasswordError, _MayPass):
    """`op` exited with 0, and its output is not what was asked for."""


class OnePasswordUnknown(OnePasswordError):
    """A text of `op` that nobody has recorded yet."""


class MfaCodeRefused(AwsError, _SetUpWrong):
    """STS does not take the code, nor the next one."""

    default_hint = "check that the item's one-time password belongs to this MFA device, and this machine's clock"


class MfaDeviceUnknown(AwsError, _SetUpWrong):
    """The MFA serial is not this user's."""


class AccessKeyUnknown(AwsError, _SetUpWrong):
    """AWS does not know the access key.

    It is deleted, so new that it is not known everywhere, or the region is not enabled.
    """


class SecretKeyWrong(AwsError, _SetUpWrong):
    """The signature does not match, and the clock is right."""


class ClockSkewed(AwsError, _SetUpWrong):
    """This machine's clock is too far from AWS's."""

    default_hint = "set this machine's clock"


class AccessDenied(AwsError, _SetUpWrong):
    """AWS knows who asks, and says no."""


class SessionEnded(AwsError, _MayPass):
    """AWS takes the session for ended or revoked."""


class DurationRefused(AwsError, _SetUpWrong):
    """The duration is longer than this role, or role chaining, allows."""


class RequestInvalid(AwsError, _SetUpWrong):
    """AWS finds a parameter malformed."""


class RegionDisabled(AwsError, _SetUpWrong):
    """STS is not active in this region for this account."""


class AccountMismatch(AwsError, _SetUpWrong):
    """The credentials belong to another account than the config's account_id or role_arn says."""

    default_hint = "check account_id in the config, and whose keys the item holds"


class AwsThrottled(AwsError, _MayPass):
    """STS throttles requests."""


class AwsUnreachable(AwsError, _MayPass):
    """No connection: the request never left."""


class AwsFailed(AwsError, _MayPass):
    """The request left, and no usable answer came."""


class AwsUnknown(AwsError, _SetUpWrong):
    """A refusal of STS that nobody has recorded yet."""
