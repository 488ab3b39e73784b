"""An AWS account as STS knows it: its users, its roles, and the principals that call with its access keys.

Values only. Secrets have no repr.
"""

import base64
import hashlib
import json
import secrets

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An IAM user with one access key and at most one TOTP device (`totp_seed` is base32).

    `other_devices` are serials that IAM lists after that device's. With `may_list_devices` false IAM denies the list.
    """

    name: str
    user_id: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    mfa_serial: str | None = None
    totp_seed: str | None = field(default=None, repr=False)
    other_devices: tuple[str, ...] = ()
    may_list_devices: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role that the account's users and roles may assume; `name` may contain a path.

    `session_name` is what its trust policy demands of `sts:RoleSessionName` (StringLike: `*` and `?` stand for others).
    """

    name: str
    max_session_seconds: int = 3600
    requires_mfa: bool = False
    external_id: str | None = None
    session_name: str | None = None

    def trusts_session_name(self, name: str) -> bool:
        """True if the trust policy takes this name."""
        return self.session_name is None or fnmatchcase(name, self.session_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account: its id (12 digits), its users and its roles."""

    account_id: str
    users: tuple[User, ...]
    roles: tuple[Role, ...] = ()

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`: that of the first MFA device's ARN, else `aws`."""
        arns = (user.mfa_serial for user in self.users if user.mfa_serial)
        return next((arn.split(":")[1] for arn in arns if arn.startswith("arn:")), "aws")

    def role_arn(self, role: Role) -> str:
        """The ARN of `role`."""
        return f"arn:{self.partition}:iam::{self.account_id}:role/{role.name}"

    def role_at(self, arn: str) -> Role | None:
        """The role with this ARN, or None."""
        return next((role for role in self.roles if self.role_arn(role) == arn), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller: the fields of GetCallerIdentity, and what decides about MFA and role chaining.

    `user` is the owner of the MFA device, None for a role session. `is_temporary` means that the credentials came from
    STS.
    """

    partition: str
    account_id: str
    user_id: str
    path: str
    user: User | None = None
    is_temporary: bool = False
    is_mfa_authenticated: bool = False

    @property
    def arn(self) -> str:
        """The caller's ARN, in `iam` for a user and in `sts` for a role session."""
        service = "sts" if self.path.startswith("assumed-role/") else "iam"
        return f"arn:{self.partition}:{service}::{self.account_id}:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """An access key and its principal: long-term (no token, no expiration) or temporary."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expiration: datetime | None = None
    principal: Principal


def long_term_key(account: Account, user: User) -> AccessKey:
    """The long-term access key of `user`."""
    principal = Principal(
        partition=account.partition,
        account_id=account.account_id,
        user_id=user.user_id,
        path=f"user/{user.name}",
        user=user,
    )
    return AccessKey(
        access_key_id=user.access_key_id,
        secret_access_key=user.secret_access_key,
        principal=principal,
    )


def temporary_key(principal: Principal, expiration: datetime) -> AccessKey:
    """New temporary credentials with AWS's lengths: `ASIA` and 16 characters, 40, some hundred."""
    return AccessKey(
        access_key_id="ASIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
        secret_access_key=base64.b64encode(secrets.token_bytes(30)).decode(),
        session_token=base64.b64encode(secrets.token_bytes(420)).decode(),
        expiration=expiration,
        principal=principal,
    )


def role_session(account: Account, role: Role, session_name: str) -> Principal:
    """The principal after AssumeRole. It has no user, and so no MFA device."""
    digest = hashlib.sha256(account.role_arn(role).encode()).digest()
    role_id = "AROA" + base64.b32encode(digest).decode()[:17]
    return Principal(
        partition=account.partition,
        account_id=account.account_id,
        user_id=f"{role_id}:{session_name}",
        # The path of a role is not part of its sessions' ARNs (IAM User Guide, "IAM identifiers").
        path=f"assumed-role/{role.name.rpartition('/')[2]}/{session_name}",
        is_temporary=True,
    )


def account_from(document: Mapping[str, Any]) -> Account:
    """Build an account from `{"account_id", "users": [{…}], "roles": [{…}]}`, with the fields of the classes above."""
    return Account(
        account_id=document["account_id"],
        users=tuple(User(**user) for user in document["users"]),
        roles=tuple(Role(**role) for role in document.get("roles", ())),
    )


def read_document(path: Path) -> dict[str, Any]:
    """The JSON object in the file at `path`."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
