"""What a parameter may be: the constraints of the STS service model, and AWS's words for a breach.

The table is the model's own (version 2011-06-15); the tests compare it with botocore's copy.
"""

import json
import re

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mayfly.demo.sts.responses import StsError, invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """Bounds on one parameter: of its length, or (`number`) of its value."""

    required: bool = False
    number: bool = False
    least: int | None = None
    most: int | None = None
    pattern: str | None = None


_NAME = r"[\w+=,.@-]*"
_ARN = r"[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+"
_SERIAL = Constraint(least=9, most=256, pattern=r"[\w+=/:,.@-]*")
_CODE = Constraint(least=6, most=6, pattern=r"[\d]*")

CONSTRAINTS: Mapping[str, Mapping[str, Constraint]] = {
    "GetCallerIdentity": {},
    "GetSessionToken": {
        "DurationSeconds": Constraint(number=True, least=900, most=129600),
        "SerialNumber": _SERIAL,
        "TokenCode": _CODE,
    },
    "AssumeRole": {
        "RoleArn": Constraint(required=True, least=20, most=2048, pattern=_ARN),
        "RoleSessionName": Constraint(required=True, least=2, most=64, pattern=_NAME),
        # The service model has no upper bound any more; the API reference says 2,048.
        "Policy": Constraint(least=1, most=2048, pattern=r"[\u0009\u000A\u000D\u0020-\u00FF]+"),
        "DurationSeconds": Constraint(number=True, least=900, most=43200),
        "ExternalId": Constraint(least=2, most=1224, pattern=r"[\w+=,.@:\/-]*"),
        "SerialNumber": _SERIAL,
        "TokenCode": _CODE,
        "SourceIdentity": Constraint(least=2, most=64, pattern=_NAME),
    },
}


def check_parameters(action: str, parameters: Mapping[str, str]) -> None:
    """Refuse what the model does not allow, every breach in one ValidationError."""
    breaches = [
        f"Value {_quoted(parameters.get(name))} at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: {breach}"
        for name, constraint in CONSTRAINTS[action].items()
        for breach in _breaches(constraint, parameters.get(name))
    ]
    if breaches:
        errors = "1 validation error" if len(breaches) == 1 else f"{len(breaches)} validation errors"
        raise invalid(f"{errors} detected: {'; '.join(breaches)}")
    _check_policy(parameters.get("Policy"))


def _check_policy(policy: str | None) -> None:
    if policy is None:
        return
    try:
        json.loads(policy)
    except ValueError:
        message = "This policy contains invalid Json"
        raise StsError(400, "MalformedPolicyDocument", message) from None


def _quoted(value: str | None) -> str:
    return "null" if value is None else f"'{value}'"


def _breaches(constraint: Constraint, value: str | None) -> Iterator[str]:
    if value is None:
        if constraint.required:
            yield "Member must not be null"
        return
    if constraint.number and not re.fullmatch(r"-?\d+", value, re.ASCII):
        yield "Member must be a number"
        return
    yield from _out_of_bounds(constraint, value)
    if constraint.pattern and not re.fullmatch(_readable(constraint.pattern), value, re.ASCII):
        yield f"Member must satisfy regular expression pattern: {constraint.pattern}"


def _out_of_bounds(constraint: Constraint, value: str) -> Iterator[str]:
    size, word = (int(value), "value") if constraint.number else (len(value), "length")
    if constraint.most is not None and size > constraint.most:
        yield f"Member must have {word} less than or equal to {constraint.most}"
    if constraint.least is not None and size < constraint.least:
        yield f"Member must have {word} greater than or equal to {constraint.least}"


def _readable(pattern: str) -> str:
    # The model writes the two astral bounds with five digits after \u, where Python has \U.
    return pattern.replace(r"\u10000-\u10FFFF", r"\U00010000-\U0010FFFF")
