"""A request on its way through the STS: what it brings, how its answer is bent, and what is recorded of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The differences of this answer from AWS's; by default none.

    `max_life_seconds` shortens the life of what is issued; the duration that was asked for is still checked.
    """

    max_life_seconds: float | None = None
    refuses_codes: bool = False
    account_id: str | None = None

    def life(self, duration_seconds: int) -> timedelta:
        """The life of credentials that were asked for with `duration_seconds`."""
        most = duration_seconds if self.max_life_seconds is None else self.max_life_seconds
        return timedelta(seconds=min(duration_seconds, most))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The record of a request.

    `mfa_serial` is the device that it named; `code_step` is the TOTP step of a code that was accepted; `at` is the
    server's time; `outcome` is `ok`, AWS's error code, or `hang`, `reset` or `malformed`. `parameters` are all
    parameters except the code.
    """

    action: str
    access_key_id: str
    mfa_serial: str | None
    code_step: int | None
    at: datetime
    outcome: str
    parameters: Mapping[str, str]

    @property
    def policy_arns(self) -> tuple[str, ...]:
        """The managed session policies of an AssumeRole, in their order."""
        numbers = range(1, len(self.parameters) + 1)
        return tuple(filter(None, (self.parameters.get(f"PolicyArns.member.{number}.arn") for number in numbers)))


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """A request's parameters and time. The checks add the access key id and the code's step when they know them."""

    parameters: Mapping[str, str]
    now: datetime
    overrides: Overrides
    access_key_id: str = ""
    code_step: int | None = None

    @property
    def action(self) -> str:
        """The action's name, empty if the request has none."""
        return self.parameters.get("Action", "")

    def record(self, outcome: str) -> Call:
        """The record of this request, without its code."""
        parameters = {name: value for name, value in self.parameters.items() if name != "TokenCode"}
        return Call(
            action=self.action,
            access_key_id=self.access_key_id,
            mfa_serial=parameters.get("SerialNumber"),
            code_step=self.code_step,
            at=self.now,
            outcome=outcome,
            parameters=parameters,
        )
