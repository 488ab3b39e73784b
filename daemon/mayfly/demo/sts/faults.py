"""Faults of the embedded STS: what goes wrong with a request when a script says so.

`throttle` answers 400 Throttling before any check, so the code is not used up. With all other faults the request is
checked first, and its code is used up:
- `500`, `503`: AWS's own errors;
- `hang`: no answer until the server closes;
- `reset`: the connection is cut;
- `malformed`: the XML breaks off in the middle;
- `invalid-mfa`: a valid code is refused;
- `wrong-account`: credentials and ARNs of another account. AWS itself would refuse a session whose device is of another
  account than its access key.
`ok` lets a request through.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from mayfly.demo.sts.context import Overrides
from mayfly.demo.sts.responses import StsError


Fault: TypeAlias = Literal[
    "ok",
    "throttle",
    "500",
    "503",
    "hang",
    "reset",
    "malformed",
    "invalid-mfa",
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

# With these the client gets no answer that it can read, so they are the call's outcome.
UNREADABLE: frozenset[Fault] = frozenset({"hang", "reset", "malformed"})


@dataclass(slots=True, kw_only=True)
class Faults:
    """The faults of the embedded STS; every field may be set at any time.

    `clock_skew_seconds` shifts the server's clock and its Date header. `latency_seconds` passes between the checks and
    the answer. `max_life_seconds` shortens the life of all credentials. `script` has one fault for each request.
    """

    latency_seconds: float = 0.0
    clock_skew_seconds: float = 0.0
    max_life_seconds: float | None = None
    script: deque[Fault] = field(default_factory=deque)

    def then(self, *faults: Fault) -> None:
        """Append to the script. Raises ValueError for an unknown fault."""
        unknown = set(faults) - set(get_args(Fault))
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        self.script.extend(faults)

    def take(self) -> Fault:
        """Take the next request's fault off the script."""
        return self.script.popleft() if self.script else "ok"

    def overrides(self, fault: Fault) -> Overrides:
        """The changes that `fault` and the other fields make to an answer."""
        return Overrides(
            max_life_seconds=self.max_life_seconds,
            refuses_codes=fault == "invalid-mfa",
            account_id=WRONG_ACCOUNT_ID if fault == "wrong-account" else None,
        )


def faults_from(document: Mapping[str, Any]) -> Faults:
    """Build faults from a JSON object with the fields of `Faults`."""
    faults = Faults(**{**document, "script": deque()})
    faults.then(*document.get("script", ()))
    return faults
