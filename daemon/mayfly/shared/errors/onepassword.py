"""Errors of 1Password, or of the person in front of it."""

from __future__ import annotations

from mayfly.shared.errors.base import HumanMustAct, MayPass, OnePasswordError, SetUpWrong


# The name of the setting as the app shows it (1Password's documentation of the app integration).
TURN_ON_INTEGRATION = "turn on 'Integrate with 1Password CLI' in the 1Password app: Settings > Developer"


class ApprovalDismissed(OnePasswordError, HumanMustAct):
    """Somebody said no, or closed the window."""


class ApprovalIgnored(OnePasswordError, HumanMustAct):
    """Nobody answered within the minute that 1Password waits."""


class OnePasswordLocked(OnePasswordError, HumanMustAct):
    """The app is locked."""

    default_hint = "unlock 1Password, then run 'mayfly login'"


class OnePasswordNotRunning(OnePasswordError, HumanMustAct):
    """The desktop app does not run, or does not answer."""

    default_hint = "start the 1Password app, then run 'mayfly login'"


class NotSignedIn(OnePasswordError, HumanMustAct):
    """No session, and nothing that could open one."""

    default_hint = TURN_ON_INTEGRATION


class AccountNotFound(OnePasswordError, SetUpWrong):
    """`op` knows no account, or not this one."""

    default_hint = "see 'op account list', and account in the config"


class AccountAmbiguous(OnePasswordError, SetUpWrong):
    """`op` knows several accounts, and the config does not say which."""

    default_hint = "see 'op account list', and set account in the config"


class IntegrationOff(OnePasswordError, SetUpWrong):
    """The app turns our `op` away."""

    default_hint = f"{TURN_ON_INTEGRATION}; on Linux op must keep its group onepassword-cli"


class VaultNotFound(OnePasswordError, SetUpWrong):
    """No such vault for this account."""


class ItemNotFound(OnePasswordError, SetUpWrong):
    """No such item in that vault, or it is archived."""


class FieldNotFound(OnePasswordError, SetUpWrong):
    """No such field in that item."""


class ItemAmbiguous(OnePasswordError, SetUpWrong):
    """Several items go by this name."""

    default_hint = "name the item by its ID in the config"


class ReferenceInvalid(OnePasswordError, SetUpWrong):
    """`op` cannot read the reference."""


class ItemValueInvalid(OnePasswordError, SetUpWrong):
    """The field is there, and its value cannot be what the config takes it for."""


class ServiceAccountRejected(OnePasswordError, SetUpWrong):
    """The service account is deleted, or its token is not accepted."""

    default_hint = "make a new service account token and put it in token_file"


class OnePasswordRateLimited(OnePasswordError, MayPass):
    """Too many requests; 1Password says when to come back."""


class OnePasswordOffline(OnePasswordError, MayPass):
    """`op` reaches no 1Password server."""


class OnePasswordHung(OnePasswordError, MayPass):
    """`op` did not end within its time limit."""


class OnePasswordGarbled(OnePasswordError, MayPass):
    """`op` exited with 0, and its output is not what was asked for."""


class OnePasswordUnknown(OnePasswordError):
    """A text of `op` that nobody has recorded yet."""
