"""The narrowing of a grant's session: the session policies it may have, AWS's two that only read, and the end.

How AWS evaluates a session with session policies ("Session policies" and "Policy evaluation logic" of the IAM User
Guide): it may do what the role's own policies allow, and at least one of its session policies too, inline or managed.
So one more that allows widens, and one that only denies allows nothing by itself, but takes from what the others allow:
a deny in any of them wins.
"""

from __future__ import annotations

import json

from datetime import datetime
from typing import Any

from mayfly.config import assume_role, strict_json
from mayfly.config.model import Profile, RoleProfile
from mayfly.shared.credentials import instant_text
from mayfly.shared.grant import MAX_POLICY_ARNS, MAX_POLICY_CHARACTERS, Narrowing
from mayfly.shared.partitions import partition_of
from mayfly.shared.text import printable


_SHOWN_CHARACTERS = 200


def read_only_arn(role_arn: str) -> str:
    """ReadOnlyAccess, in the partition of the role. It reads data, too: objects in S3, rows of DynamoDB."""
    return f"arn:{partition_of(role_arn)}:iam::aws:policy/ReadOnlyAccess"


def view_only_arn(role_arn: str) -> str:
    """ViewOnlyAccess, in the partition of the role: it lists resources, and reads none of their data."""
    return f"arn:{partition_of(role_arn)}:iam::aws:policy/job-function/ViewOnlyAccess"


def why_never_narrower(profile: Profile) -> str | None:
    """Why no grant on the profile can be narrowed, to follow its name; None if one can."""
    if not isinstance(profile, RoleProfile):
        return "is no role: AWS takes session policies for roles only (GetSessionToken has none)"
    if profile.policy or profile.policy_arns:
        return (
            "has session policies of its own: AWS takes an allow in any session policy for an allow, so one more would "
            "widen it"
        )
    return None


def narrowing_problem(role_arn: str, narrowing: Narrowing) -> str | None:
    """Why AWS would refuse this narrowing of a session of the role, in words for a person; None if it would not."""
    try:
        if narrowing.policy is not None:
            assume_role.policy(narrowing.policy)
    except ValueError as problem:
        return f"the policy {problem}"
    for arn in narrowing.policy_arns:
        problem_of_arn = _arn_problem(role_arn, arn)
        if problem_of_arn:
            return f"{printable(arn[:_SHOWN_CHARACTERS])} {problem_of_arn}"
    if len(narrowing.policy_arns) > MAX_POLICY_ARNS:
        return f"these are {len(narrowing.policy_arns)} policy ARNs: AWS takes {MAX_POLICY_ARNS} at most"
    if _characters(narrowing) > MAX_POLICY_CHARACTERS:
        most = f"AWS takes {MAX_POLICY_CHARACTERS} at most"
        return f"policy and policy ARNs have {_characters(narrowing)} characters together: {most}"
    return None


def _arn_problem(role_arn: str, arn: str) -> str | None:
    try:
        assume_role.policy_arn(arn)
    except ValueError as problem:
        return str(problem)
    return foreign_policy(role_arn, arn)


def foreign_policy(role_arn: str, arn: str) -> str | None:
    """Why a session of the role cannot have this managed policy, which must be AWS's own, or of the role's account."""
    if partition_of(arn) != partition_of(role_arn):
        return f"is in {partition_of(arn)}, and the role is in {partition_of(role_arn)}"
    if arn.split(":")[4] not in {"aws", role_arn.split(":")[4]}:
        return "is of another account than the role: AWS takes its own policies, and those of the role's account"
    return None


def with_end(narrowing: Narrowing, ends_at: datetime) -> Narrowing:
    """The narrowing with a deny of everything after `ends_at` in its inline policy, so that AWS itself ends the grant.

    AWS issues no session for less than 15 minutes, and takes none back. The deny makes a session worthless at the end
    of its grant, by AWS's clock: `aws:CurrentTime` is in the context of every request (IAM User Guide, "AWS global
    condition context keys"), and an explicit deny in a session policy holds against every allow, also against that of a
    resource's policy which names the session.

    It never widens. Beside managed policies alone stands an inline policy of nothing but the deny, which allows
    nothing; an inline policy that is there gets one more statement. Without a narrowing there is no deny: it would be
    the only session policy, and the session could do nothing at all.

    Where policy and ARNs would exceed AWS's 2,048 characters, or the policy cannot be extended, the narrowing is
    returned as it is. The policy is written anew, in ASCII and without blanks. Not verified against AWS itself.
    """
    if narrowing == Narrowing():
        return narrowing
    try:
        ended = narrowing._replace(policy=_extended(narrowing.policy, _deny_after(ends_at)))
    except (ValueError, LookupError, TypeError, RecursionError):
        return narrowing
    return ended if _characters(ended) <= MAX_POLICY_CHARACTERS else narrowing


def _deny_after(ends_at: datetime) -> dict[str, Any]:
    after = {"DateGreaterThan": {"aws:CurrentTime": instant_text(ends_at)}}
    return {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": after}


def _extended(policy: str | None, statement: dict[str, Any]) -> str:
    """The policy with one more statement; `Statement` may be one object or a list (IAM JSON policy elements)."""
    tree = strict_json.parse(policy) if policy is not None else {"Version": "2012-10-17", "Statement": []}
    there = tree["Statement"]
    statements = there if isinstance(there, list) else [there]
    return json.dumps(tree | {"Statement": [*statements, statement]}, separators=(",", ":"), allow_nan=False)


def _characters(narrowing: Narrowing) -> int:
    return len(narrowing.policy or "") + sum(len(arn) for arn in narrowing.policy_arns)
