"""Hints for session policies that AWS refuses: whether to change the policy, the ARNs or the tags.

They may be those of the config or of a grant's narrowing, so they are named by what they are.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from typing import Any


# AWS re:Post, "How can I avoid getting a PackedPolicyTooLarge error when I assume an IAM role", has both forms:
# "Packed policy consumes N% of allotted space", and "Packed size of session tags consumes N% …".
_PERCENT = re.compile(r"consumes ([0-9]{1,6})% of allotted space")

_SMALLER = {
    "Policy": "shorten the policy",
    "PolicyArns": "name fewer policy ARNs",
    "Tags": "give fewer or shorter tags",
}
_CHECKS = {
    "Policy": "'aws accessanalyzer validate-policy --policy-type IDENTITY_POLICY --policy-document file://POLICY.json' "
    "says what is wrong with the policy",
    "PolicyArns": "'aws iam get-policy --policy-arn ARN' says whether a managed policy exists",
}


def packed_percent(text: str) -> str:
    """Their size as AWS tells it, to follow the word "packed"; "" if AWS does not tell it."""
    found = _PERCENT.search(text)
    return f": {found[1]}% of the space" if found else ""


def smaller(parameters: Mapping[str, Any]) -> str:
    """What to shorten of a call with `parameters`. A session that was tagged brings its tags along (IAM User Guide)."""
    return _joined(_SMALLER, parameters, " or ") or "give the source profile fewer or shorter tags"


def policies_to_check(parameters: Mapping[str, Any]) -> str:
    """How to find the fault in the session policies of a call with `parameters`."""
    return _joined(_CHECKS, parameters, "; ") or "check this profile in the config"


def _joined(steps: Mapping[str, str], parameters: Mapping[str, Any], between: str) -> str:
    return between.join(step for name, step in steps.items() if parameters.get(name))
