"""The narrowing of a grant, and the words for it."""

from __future__ import annotations

from mayfly.config.narrowing import read_only_arn, view_only_arn
from mayfly.shared.errors import GrantRefused
from mayfly.shared.grant import Narrowing


# Words that name a narrowing, each with AWS's managed policy for it in the role's partition.
READ_ONLY = "read-only"
WORDS = {READ_ONLY: read_only_arn, "view-only": view_only_arn}


def in_full(words: str, narrowing: Narrowing, role_arn: str) -> Narrowing:
    """The policies that `words` (one of WORDS, or "") stand for, or else `narrowing`.

    Raises GrantRefused for a word that would not be true: AWS takes an allow in any session policy for an allow.
    """
    if not words:
        return narrowing
    named = Narrowing(policy_arns=(WORDS[words](role_arn),))
    if narrowing not in (Narrowing(), named):
        raise GrantRefused(
            f"{words} with another policy beside it would not be {words}: AWS evaluates all session policies together,"
            " and an allow in any is an allow",
            hint="name the one or the other",
        )
    return named


def is_read_only(words: str, narrowing: Narrowing, role_arn: str) -> bool:
    """True for ReadOnlyAccess and nothing beside it."""
    named = Narrowing(policy_arns=(read_only_arn(role_arn),))
    return narrowing == named or (words == READ_ONLY and narrowing == Narrowing())


def words(narrowing: Narrowing) -> str:
    """`read-only`, `the account's Deploy`, …; "" for no narrowing. Composed from the policies alone."""
    named = [_name(arn) for arn in narrowing.policy_arns]
    return " and ".join([*named, *(["a policy of its own"] if narrowing.policy is not None else [])])


def _name(arn: str) -> str:
    name = arn.rpartition("/")[2]
    if arn.split(":")[4] != "aws":
        # Anybody may call a policy `read-only`, or as AWS calls one.
        return f"the account's {name}"
    return next((words for words, policy in WORDS.items() if arn == policy(arn)), name)


def is_narrowed(narrowing: Narrowing) -> bool:
    """True if a session policy is to be given."""
    return narrowing != Narrowing()
