"""One request's way through STS: the terms it meets, what is learnt of it, what it gets."""

import uuid

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.demo.sts.responses import StsError, error_xml


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an answer is bent for a demo or a test; left out, AWS's own terms.

    `max_life_seconds` and `duration_scale` shorten what is issued, and nothing that is checked.
    """

    duration_scale: float = 1.0
    max_life_seconds: float | None = None
    expired: bool = False
    refuses_codes: bool = False
    account_id: str | None = None

    def life(self, duration_seconds: int) -> timedelta:
        """How long credentials live for which `duration_seconds` were asked."""
        if self.expired:
            return timedelta(seconds=-60)
        seconds = duration_seconds * self.duration_scale
        most = seconds if self.max_life_seconds is None else self.max_life_seconds
        return timedelta(seconds=min(seconds, most))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that came in.

    `mfa_serial` is the device it named, `code_step` the TOTP step of a code that was accepted;
    `at` is the server's time; `outcome` is `ok`, AWS's error code, or `hang`, `reset`,
    `malformed`. `parameters` are all that were sent but the code.
    """

    action: str
    access_key_id: str
    mfa_serial: str | None
    code_step: int | None
    at: datetime
    outcome: str
    parameters: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request on its way through the checks, and what they learn of it."""

    parameters: Mapping[str, str]
    now: datetime
    terms: Terms
    access_key_id: str = ""
    code_step: int | None = None

    @property
    def action(self) -> str:
        """The action's name, empty where the request has none."""
        return self.parameters.get("Action", "")

    def call(self, outcome: str) -> Call:
        """The record of this visit; the code that was sent is not in it."""
        told = {name: value for name, value in self.parameters.items() if name != "TokenCode"}
        return Call(
            action=self.action,
            access_key_id=self.access_key_id,
            mfa_serial=told.get("SerialNumber"),
            code_step=self.code_step,
            at=self.now,
            outcome=outcome,
            parameters=told,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: HTTP status, XML, request id, and its outcome (`ok` or AWS's error code)."""

    status: int
    body: str
    request_id: str
    outcome: str


def refusal(error: StsError) -> Reply:
    """The answer that says `error`."""
    request_id = str(uuid.uuid4())
    return Reply(
        status=error.status,
        body=error_xml(error, request_id),
        request_id=request_id,
        outcome=error.code,
    )
