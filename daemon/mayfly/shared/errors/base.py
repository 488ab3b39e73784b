"""What all errors have in common, the three parties at fault, and the three things that can follow."""

from __future__ import annotations


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


class OurError(MayflyError):
    """Mayfly, its config or this machine."""


class OnePasswordError(MayflyError):
    """1Password, or the person in front of it."""


class AwsError(MayflyError):
    """AWS, or what is set up there."""


class HumanMustAct(MayflyError):
    """A person must act now. Retried only when a client or a person asks again."""

    http_status = 403
    needs_human = True
    default_hint = "run 'mayfly login' when you are ready"


class SetUpWrong(MayflyError):
    """Stays wrong until somebody mends the config, the item or AWS."""

    http_status = 400


class MayPass(MayflyError):
    """Time alone may help."""

    retryable = True
