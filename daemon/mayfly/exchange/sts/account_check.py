"""Which account new credentials belong to, by AWS's word, and whether the config wants that account.

The answer of AssumeRole names the account of the role. The account of a session is that of its MFA device's ARN: AWS
accepts a code only from a device of the calling user, and so of the caller's own account (an assumption, from the IAM
user guide). A hardware device's serial number names no account; then AWS is asked, if the config names an account.
"""

from __future__ import annotations

import attrs

from mayfly.config.model import Profile, RoleProfile
from mayfly.exchange.sts.answers import caller_identity
from mayfly.exchange.sts.client import Sts, keys_of
from mayfly.exchange.sts.location import StsLocation
from mayfly.shared.credentials import Credentials, account_of
from mayfly.shared.errors import AccountMismatch


async def with_checked_account(
    credentials: Credentials, profile: Profile, sts: Sts, location: StsLocation
) -> Credentials:
    """The credentials, with their account filled in if the config names one.

    Raises AccountMismatch if they belong to another account, and an AwsError if AWS has to be asked and does not say.
    """
    role_arn = profile.role_arn if isinstance(profile, RoleProfile) else ""
    wanted = profile.account_id or account_of(role_arn)
    if wanted and not credentials.account_id:
        answer = await sts.call(location, keys_of(credentials), "get_caller_identity")
        credentials = attrs.evolve(credentials, account_id=caller_identity(answer).account)
    if wanted and credentials.account_id != wanted:
        whose = profile.role_arn if isinstance(profile, RoleProfile) else profile.access_key_id
        raise AccountMismatch(
            f"the credentials of {whose} are of account {credentials.account_id}, and the config wants {wanted}"
        )
    return credentials
