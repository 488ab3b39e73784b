"""The parameters of AssumeRole, from the config."""

from __future__ import annotations

import os
import platform
import re

from typing import Any

from mayfly.config.model import RoleProfile
from mayfly.shared.users import user_name


def role_parameters(profile: RoleProfile) -> dict[str, Any]:
    """The parameters of AssumeRole for `profile`, without those that are not configured."""
    given = {
        "RoleArn": profile.role_arn,
        "RoleSessionName": profile.role_session_name or default_session_name(),
        "DurationSeconds": profile.duration_seconds,
        "ExternalId": profile.external_id,
        "Policy": profile.policy,
        "PolicyArns": [{"arn": arn} for arn in profile.policy_arns],
        "SourceIdentity": profile.source_identity,
        "Tags": [{"Key": key, "Value": value} for key, value in profile.tags.items()],
        "TransitiveTagKeys": list(profile.transitive_tag_keys),
    }
    return {name: value for name, value in given.items() if value}


def default_session_name() -> str:
    """`user@host` as a RoleSessionName: 2 to 64 characters of `[A-Za-z0-9_+=,.@-]` (AssumeRole's reference)."""
    whole = f"{user_name(os.getuid())}@{platform.node() or 'localhost'}"
    return re.sub(r"[^\w+=,.@-]", "-", whole, flags=re.ASCII)[:64]
