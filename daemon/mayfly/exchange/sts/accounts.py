"""Whose account credentials are of, by what AWS says, and whether that is the one that the config wants.

Of a role the answer itself says it. Of a session the ARN of the device does: AWS takes a code only from a device of the
caller's own user, and so of the caller's own account (an assumption, from the IAM user guide). A device whose serial is
no ARN says nothing; then AWS is asked, where the config wants to know.
"""

from __future__ import annotations

from typing import Any

import attrs

from mayfly.config.model import Profile, RoleProfile
from mayfly.exchange.sts.client import Sts, keys_of
from mayfly.exchange.sts.location import StsLocation
from mayfly.shared.credentials import Credentials, account_of
from mayfly.shared.errors import AccountMismatch


def arn_in(fields: dict[str, Any], otherwise: str) -> str:
    """The ARN of the role's session in AWS's answer, or the other where the answer has none."""
    try:
        return str(fields["AssumedRoleUser"]["Arn"])
    except (KeyError, TypeError):
        return otherwise


async def checked(made: Credentials, profile: Profile, sts: Sts, where: StsLocation) -> Credentials:
    """The credentials with their account, as far as anybody wants to know it.

    Raises AccountMismatch where the config wants another, and an AwsError where AWS has to be asked and cannot be.
    """
    role_arn = profile.role_arn if isinstance(profile, RoleProfile) else ""
    wanted = profile.account_id or account_of(role_arn)
    if wanted and not made.account_id:
        answer = await sts.call(where, keys_of(made), "get_caller_identity")
        made = attrs.evolve(made, account_id=str(answer.fields.get("Account")))
    if wanted and made.account_id != wanted:
        raise AccountMismatch(f"these credentials are of account {made.account_id}, and the config wants {wanted}")
    return made
