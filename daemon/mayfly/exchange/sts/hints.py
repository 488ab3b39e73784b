"""Hints from the config, which AWS's refusal of AssumeRole does not give."""

from __future__ import annotations

from mayfly.config.model import Config, RoleProfile
from mayfly.exchange.sts.denials import TRUST_POLICY
from mayfly.shared.errors import AccessDenied, MayflyError


def add_hints(error: MayflyError, config: Config, profile: str, session_name: str) -> None:
    """Add to an AccessDenied what the role's trust policy may require: another name of the session, or MFA.

    AWS does not say which condition failed (`sts:RoleSessionName` and `aws:MultiFactorAuthPresent`, IAM User Guide).
    """
    found = config.profiles[profile]
    if not isinstance(error, AccessDenied) or not isinstance(found, RoleProfile):
        return
    # Where AWS blames another policy, or another call, the session's name is right.
    if found.role_session_name is None and TRUST_POLICY in error.hint:
        another = f"another sts:RoleSessionName than {session_name}"
        error.hint += f"; if the trust policy requires {another}, set role_session_name in the config"
    if config.keys_of(profile).mfa_id is None:
        keys = config.ancestry(profile)[0]
        error.hint += f"; if the role's trust policy requires MFA, give {keys} otp and mfa_id"
