"""The values that a parameter may have, by botocore's model of STS, and AWS's words for any other."""

import functools
import json
import re

from collections.abc import Iterator, Mapping

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape, StructureShape

from mayfly.demo.sts.responses import StsError, invalid


# The model has no upper bound for a session policy. The API reference says 2,048.
POLICY_CHARACTERS = 2048


def check_parameters(action: str, parameters: Mapping[str, str]) -> None:
    """Raise StsError, a ValidationError that lists every parameter that the model does not allow."""
    shape = _input_shape(action)
    problems = [
        f"Value {_quoted(parameters.get(name))} at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: {one}"
        for name, member in shape.members.items()
        for one in _problems(name, member, parameters.get(name), is_required=name in shape.required_members)
    ]
    if problems:
        errors = "1 validation error" if len(problems) == 1 else f"{len(problems)} validation errors"
        raise invalid(f"{errors} detected: {'; '.join(problems)}")
    _check_policy(parameters.get("Policy"))


@functools.cache
def _input_shape(action: str) -> StructureShape:
    shape = ServiceModel(Loader().load_service_model("sts", "service-2"), "sts").operation_model(action).input_shape
    assert shape is not None  # noqa: S101 - for mypy: all three actions have one
    return shape


def _check_policy(policy: str | None) -> None:
    if policy is None:
        return
    try:
        json.loads(policy)
    except ValueError:
        raise StsError(400, "MalformedPolicyDocument", "This policy contains invalid Json") from None


def _quoted(value: str | None) -> str:
    return "null" if value is None else f"'{value}'"


def _problems(name: str, member: Shape, value: str | None, *, is_required: bool) -> Iterator[str]:
    if value is None:
        if is_required:
            yield "Member must not be null"
        return
    is_number = member.type_name == "integer"
    if is_number and not re.fullmatch(r"-?\d+", value, re.ASCII):
        yield "Member must be a number"
        return
    size, what = (int(value), "value") if is_number else (len(value), "length")
    most = POLICY_CHARACTERS if name == "Policy" else member.metadata.get("max")
    least = member.metadata.get("min")
    if most is not None and size > most:
        yield f"Member must have {what} less than or equal to {most}"
    if least is not None and size < least:
        yield f"Member must have {what} greater than or equal to {least}"
    pattern = member.metadata.get("pattern")
    if pattern and not re.fullmatch(_for_python(pattern), value, re.ASCII):
        yield f"Member must satisfy regular expression pattern: {pattern}"


def _for_python(pattern: str) -> str:
    # The model writes characters beyond U+FFFF with five digits after \u. Python wants \U and eight.
    return pattern.replace(r"\u10000-\u10FFFF", r"\U00010000-\U0010FFFF")
