"""What can go wrong between STS and a client, one entry a request.

`throttle`: 400 Throttling before anything is looked at, so the code is not spent. All others
happen after the request was checked, so its code is spent: `500`, `503`; `hang` (no answer until
the server closes); `reset` (the connection is cut); `invalid-mfa` (a good code is refused);
`expired-result` (credentials that have expired already); `malformed` (XML that breaks off);
`wrong-account` (another account's credentials and ARNs; AWS itself would refuse a session whose device
is of another account than its keys); `ok` lets a request through.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from mayfly.demo.sts.context import Terms
from mayfly.demo.sts.responses import StsError


Fault: TypeAlias = Literal[
    "ok",
    "throttle",
    "500",
    "503",
    "hang",
    "reset",
    "invalid-mfa",
    "expired-result",
    "malformed",
    "wrong-account",
]

WRONG_ACCOUNT_ID = "999999999999"

ERRORS = {
    "throttle": StsError(400, "Throttling", "Rate exceeded"),
    "500": StsError(
        500,
        "InternalFailure",
        "The request processing has failed because of an unknown error, exception or failure.",
    ),
    "503": StsError(
        503,
        "ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    ),
}

# After these a client has no answer that it can read, whatever the checks said.
SILENT: frozenset[Fault] = frozenset({"hang", "reset", "malformed"})


@dataclass(slots=True, kw_only=True)
class Faults:
    """What the embedded STS does beside its work; every field may be set at any time.

    `clock_skew_seconds` moves the server's clock (and its Date header) against the world's;
    `latency_seconds` passes between the checks and the answer.
    """

    latency_seconds: float = 0.0
    clock_skew_seconds: float = 0.0
    duration_scale: float = 1.0
    max_life_seconds: float | None = None
    script: deque[Fault] = field(default_factory=deque)

    def then(self, *faults: Fault) -> None:
        """Append to the script. Raises ValueError for an unknown fault."""
        unknown = set(faults) - set(get_args(Fault))
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        self.script.extend(faults)

    def take(self) -> Fault:
        """The fault of the request that has just come in."""
        return self.script.popleft() if self.script else "ok"

    def terms(self, fault: Fault) -> Terms:
        """The terms on which that request is answered."""
        return Terms(
            duration_scale=self.duration_scale,
            max_life_seconds=self.max_life_seconds,
            expired=fault == "expired-result",
            refuses_codes=fault == "invalid-mfa",
            account_id=WRONG_ACCOUNT_ID if fault == "wrong-account" else None,
        )


def faults_from(document: Mapping[str, Any]) -> Faults:
    """Build faults from a JSON object with the fields of `Faults`."""
    faults = Faults(**{**document, "script": deque()})
    faults.then(*document.get("script", ()))
    return faults
