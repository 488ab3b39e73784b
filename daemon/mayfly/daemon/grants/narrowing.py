"""What narrows a grant: checked, given an end, and told in words."""

from __future__ import annotations

from datetime import datetime

from mayfly.config.narrowing import narrowing_problem, read_only_arn, view_only_arn, with_end
from mayfly.shared.grant import Narrowing


def problem_of(role_arn: str, narrowing: Narrowing) -> str | None:
    """Why AWS would refuse these session policies for the role; None if it would not, as far as can be seen."""
    return narrowing_problem(role_arn, narrowing)


def ending(narrowing: Narrowing, ends_at: datetime) -> Narrowing:
    """The narrowing with a Deny past the end, where it fits; none stays none."""
    return with_end(narrowing, ends_at)


def words(narrowing: Narrowing) -> str:
    """`read-only`, `Deploy and a policy of its own`, …; "" for no narrowing. Told by what is given, not by who asks."""
    named = [_name(arn) for arn in narrowing.policy_arns]
    return " and ".join([*named, *(["a policy of its own"] if narrowing.policy is not None else [])])


def _name(arn: str) -> str:
    if arn == read_only_arn(arn):
        return "read-only"
    return "view-only" if arn == view_only_arn(arn) else arn.rpartition("/")[2]


def is_narrowed(narrowing: Narrowing) -> bool:
    """True if a session policy is to be given."""
    return narrowing != Narrowing()
