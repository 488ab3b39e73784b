"""Errors of Mayfly, its config and its machine."""

from __future__ import annotations

from mayfly.shared.errors.base import HumanMustAct, MayPass, OurError, SetUpWrong


class ConfigInvalid(OurError, SetUpWrong):
    """The config cannot be used; `problems` has a line for each reason."""

    def __init__(self, *problems: str, hint: str = "") -> None:
        super().__init__("; ".join(problems), hint=hint)
        self.problems = problems


class ConfigChanged(OurError, SetUpWrong):
    """The file on disk is not the config that the daemon runs on."""

    default_hint = "run 'mayfly reload'"


class OnePasswordMissing(OurError, SetUpWrong):
    """There is no `op` that may be run."""

    default_hint = "install the 1Password CLI"


class OtpCommandFailed(OurError, HumanMustAct):
    """`otp_command` failed, did not end in time, or printed no one-time password. Perhaps nobody touched the key."""

    default_hint = "see that the command works in a terminal, then run 'mayfly login'"


class ApprovalPending(OurError, HumanMustAct):
    """The client has waited for `cold_wait_seconds`; the exchange goes on."""


class ScreenLocked(OurError, HumanMustAct):
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


class AgentRefused(OurError, HumanMustAct):
    """A coding agent, or a process that may be one's, asks for a profile whose `agents` keeps it away."""

    default_hint = "a person can run the program with 'mayfly grant PROFILE -- COMMAND'"


class ExchangePending(OurError, MayPass):
    """The client's patience is at its end, and nobody is asked for anything; the exchange goes on."""

    default_hint = "ask again"


class ExchangeFailed(OurError, MayPass):
    """The exchange broke its protocol, or died."""

    default_hint = "look at the daemon's log"


class GrantRefused(OurError, SetUpWrong):
    """The rules of grants, or the profile, allow no such grant."""


class GrantEnded(OurError, SetUpWrong):
    """The token is that of a grant that has ended."""

    http_status = 401


class GrantNotAllowed(OurError, HumanMustAct):
    """The grant asks a person first, and nobody has said yes."""

    default_hint = ""


class UnknownGrant(OurError, SetUpWrong):
    """No grant in force has that ID."""

    http_status = 404
    default_hint = "mayfly grants"


class GrantUndelivered(OurError):
    """The folder, the socket or the file of a grant cannot be made or written."""
