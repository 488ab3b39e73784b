"""The parameters of AssumeRole beside the role: a type and a check for each.

Lengths and characters are those of the AWS STS API reference (AssumeRole, Tag, PolicyDescriptorType). A value that AWS
would refuse at the first login is refused here, when the config is read.
"""

from __future__ import annotations

import json
import re

from collections.abc import Callable
from typing import Any, NewType

from mayfly.config import strict_json
from mayfly.shared.grant import MAX_POLICY_CHARACTERS


RoleSessionName = NewType("RoleSessionName", str)
ExternalId = NewType("ExternalId", str)
SourceIdentity = NewType("SourceIdentity", str)
Policy = NewType("Policy", str)
PolicyArn = NewType("PolicyArn", str)
TagKey = NewType("TagKey", str)
TagValue = NewType("TagValue", str)

MAX_TAGS = 50

# Any partition is accepted, because AWS adds new ones. No part of a path is empty.
ARN = r"arn:aws(?:-[a-z0-9]+)*:iam:"
PATH = r"(?=.{1,600}\Z)(?:[A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]+"

# Not compiled here: each login imports this file before `op` starts.
_POLICY_ARN = rf"{ARN}:(?:aws|[0-9]{{12}}):policy/{PATH}"
_POLICY_CHARACTERS = r"[\t\n\r\x20-\xff]*"


def _word(letters: str, low: int, high: int) -> Callable[[Any], str]:
    """The check for `low` to `high` ASCII letters, digits and `letters`."""
    shape = rf"[A-Za-z0-9{re.escape(letters)}]{{{low},{high}}}"

    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(shape, value):
            raise ValueError(f"must be {low} to {high} characters: letters, digits and {' '.join(letters)}")
        return value

    return check


def policy(value: Any) -> Policy:
    """A session policy: a JSON object as text."""
    if not isinstance(value, str):
        raise ValueError("must be a JSON object as a text: policy = '''{…}'''")
    if len(value) > MAX_POLICY_CHARACTERS:
        raise ValueError(f"has {len(value)} characters: AWS takes {MAX_POLICY_CHARACTERS} at most")
    if not re.fullmatch(_POLICY_CHARACTERS, value):
        raise ValueError("has characters that AWS does not take: only Latin-1, without control characters")
    if not isinstance(_parsed(value), dict):
        raise ValueError('must be a JSON object: {"Version": "2012-10-17", "Statement": […]}')
    return Policy(value)


def shortest_policy(value: str) -> str:
    """The policy without its white space, in as few characters as AWS takes; any other text as it is."""
    try:
        tree = strict_json.parse(value)
    except (ValueError, RecursionError):
        return value
    short = json.dumps(tree, separators=(",", ":"), ensure_ascii=False)
    return short if re.fullmatch(_POLICY_CHARACTERS, short) else json.dumps(tree, separators=(",", ":"))


def _parsed(value: str) -> Any:
    try:
        return strict_json.parse(value)
    except strict_json.DoubledKey as reason:
        raise ValueError(str(reason)) from None
    except json.JSONDecodeError as reason:
        raise ValueError(f"is not JSON: {reason.msg} (line {reason.lineno}, column {reason.colno})") from None
    except ValueError as reason:
        raise ValueError(f"is not JSON: {reason}") from None
    except RecursionError:
        raise ValueError("is not JSON: nested too deep") from None


def policy_arn(value: Any) -> PolicyArn:
    """A managed policy, AWS's own or the account's."""
    if not isinstance(value, str) or not re.fullmatch(_POLICY_ARN, value):
        raise ValueError("is no managed policy: expected arn:aws:iam::aws:policy/NAME")
    return PolicyArn(value)


def tag_key(value: Any) -> TagKey:
    """1 to 128 characters, `aws:` reserved."""
    if not isinstance(value, str) or not 1 <= len(value) <= 128 or not _is_tag_text(value):
        raise ValueError(f"is no tag key: 1 to 128 characters, {_TAG_CHARACTERS}")
    if value.lower().startswith("aws:"):
        raise ValueError("is no tag key: aws: is AWS's own")
    return TagKey(value)


def tag_value(value: Any) -> TagValue:
    """Up to 256 characters, or none."""
    if not isinstance(value, str) or len(value) > 256 or not _is_tag_text(value):
        raise ValueError(f"is no tag value: a text of up to 256 characters, {_TAG_CHARACTERS}")
    return TagValue(value)


_TAG_CHARACTERS = "letters, digits, spaces and _ . : / = + - @"


def _is_tag_text(value: str) -> bool:
    """AWS's pattern is [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]."""
    import unicodedata  # only for the few who have tags

    return all(letter in "_.:/=+-@" or unicodedata.category(letter)[0] in "LZN" for letter in value)


CHECKS: dict[Any, Callable[[Any], Any]] = {
    RoleSessionName: _word("_+=,.@-", 2, 64),
    ExternalId: _word("_+=,.@:/-", 2, 1224),
    SourceIdentity: _word("_+=,.@-", 2, 64),
    Policy: policy,
    PolicyArn: policy_arn,
    TagKey: tag_key,
    TagValue: tag_value,
}
